"""Where everything is, from the environment: ECS fills it from Parameter Store, `make start` from the same parameters."""

import os
from dataclasses import dataclass

SERVICES = ("catalog", "basket", "login", "customers", "orders", "vouchers", "feeds", "operations")


@dataclass(frozen=True)
class Settings:
    """``apis`` is the URL of each service's API without a slash at its end, ``sessions_url`` a ``redis(s)://`` URL."""

    apis: dict[str, str]
    sessions_url: str
    site_name: str
    # Cookies are for https only and have names that say so, but on loopback there is no https.
    secure_cookies: bool
    # What the web ACL of the APIs knows the storefront by.
    api_token: str = ""

    @classmethod
    def from_environment(cls) -> "Settings":
        """Raises ``KeyError`` with the name of what is missing."""
        return cls(
            {service: os.environ[f"{service.upper()}_API_URL"].rstrip("/") for service in SERVICES},
            _sessions_url(),
            os.environ.get("SITE_NAME", "Brick Shop"),
            os.environ.get("SECURE_COOKIES", "true") == "true",
            os.environ["STOREFRONT_TOKEN"],
        )


def _sessions_url() -> str:
    """On AWS the store has a name, and wants TLS and a token; the local one has an address, which then counts."""
    local = os.environ.get("SESSIONS_URL")
    return local or f"rediss://:{os.environ['SESSIONS_TOKEN']}@{os.environ['SESSIONS_HOST']}:6379/0"

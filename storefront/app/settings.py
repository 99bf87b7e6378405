"""Settings from environment variables, which ECS sets from Parameter Store and ``make start`` from the same parameters."""

import os
from dataclasses import dataclass

SERVICES = ("catalog", "basket", "login", "customers", "orders", "vouchers", "feeds", "operations")


@dataclass(frozen=True)
class Settings:
    """``apis`` has the URL of each service's API without a trailing slash; ``sessions_url`` is a ``redis(s)://`` URL."""

    apis: dict[str, str]
    sessions_url: str
    site_name: str
    # Whether cookies are Secure and have the prefix __Host-; False on loopback, which has no https.
    secure_cookies: bool
    # Secret that identifies the storefront to the web ACL of the APIs.
    api_token: str = ""

    @classmethod
    def from_environment(cls) -> "Settings":
        """Read the environment. Raises ``KeyError`` with the name of a missing variable."""
        return cls(
            {service: os.environ[f"{service.upper()}_API_URL"].rstrip("/") for service in SERVICES},
            _sessions_url(),
            os.environ.get("SITE_NAME", "Brick Shop"),
            os.environ.get("SECURE_COOKIES", "true") == "true",
            os.environ["STOREFRONT_TOKEN"],
        )


def _sessions_url() -> str:
    """URL of the session store: ``SESSIONS_URL`` in the local cloud; on AWS from host and token, with TLS."""
    local_url = os.environ.get("SESSIONS_URL")
    return local_url or f"rediss://:{os.environ['SESSIONS_TOKEN']}@{os.environ['SESSIONS_HOST']}:6379/0"

"""Customers who have signed up, and their records in the external systems."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tools import accounts
from tools.client import Shop, unique, with_retries


@dataclass(frozen=True)
class Member:
    """A customer who has signed up; ``secrets`` are texts that no other customer may see."""

    customer_id: str
    email: str
    password: str
    token: str
    secrets: tuple[str, ...]

    @property
    def session(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


def sign_in(shop: Shop, email: str, password: str) -> str:
    """The token of a new session."""
    credentials = {"email": email, "password": password}
    response = with_retries(lambda: shop.call("POST", "/login/v1/sessions", json=credentials))
    assert response.status_code == 201, response.text
    return response.json()["session_token"]


def session_headers(shop: Shop, person: Mapping[str, str]) -> dict[str, str]:
    """The headers of a new session of a person with ``email`` and ``password``, e.g. ``shop.samples["admin"]``."""
    return {"Authorization": f"Bearer {sign_in(shop, person['email'], person['password'])}"}


def sign_up(shop: Shop) -> Member:
    """A new customer whose fields on both platforms hold unique texts."""
    name, email, password = unique("Name"), f"{unique('mail')}@example.com", unique("password")
    customer_id = accounts.create(shop, email, password, name)
    customer = platform_record(shop, f"commerce/customers/{customer_id}")
    member = platform_record(shop, f"rewards/members/{customer_id}")
    # The platform takes a phone number of 40 characters.
    phone, street, tier = unique("+49"), unique("Street"), unique("tier")
    updated = shop.call(
        "PUT",
        f"/partners/v1/commerce/customers/{customer_id}",
        json=customer | {"phone": phone, "addresses": [{"street": street}]},
        headers={"If-Match": str(customer["version"])},
    )
    assert updated.status_code == 200, updated.text
    promoted = with_retries(
        lambda: shop.call("PUT", f"/partners/v1/rewards/members/{customer_id}", json=member | {"tier": tier})
    )
    assert promoted.status_code == 200, promoted.text
    secrets = (name, email, phone, street, tier, customer["identity_id"], member["rewards_id"])
    return Member(customer_id, email, password, sign_in(shop, email, password), secrets)


def platform_record(shop: Shop, path: str) -> Any:
    """The record of an external system at ``path``, e.g. ``commerce/customers/C000000001``."""
    response = with_retries(lambda: shop.call("GET", f"/partners/v1/{path}"))
    assert response.status_code == 200, response.text
    return response.json()

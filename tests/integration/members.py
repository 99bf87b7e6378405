"""Customers who have signed up, and what the outside systems hold of them."""

from dataclasses import dataclass
from typing import Any

import boto3

from local import accounts
from local.shop import Shop, patiently, unique


@dataclass(frozen=True)
class Member:
    """A customer who has signed up; ``secrets`` are texts that nobody else may ever be shown."""

    customer_id: str
    email: str
    password: str
    token: str
    secrets: tuple[str, ...]

    @property
    def session(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


def sign_in(shop: Shop, email: str, password: str) -> str:
    answer = patiently(lambda: shop.call("POST", "/login/v1/sessions", json={"email": email, "password": password}))
    assert answer.status_code == 201, answer.text
    return answer.json()["session_token"]


def sign_up(shop: Shop) -> Member:
    """A new customer whose every field, on both platforms, holds something that can be found again."""
    name, email, password = unique("Name"), f"{unique('mail')}@example.com", unique("password")
    customer_id = accounts.create(shop, email, password, name)
    customer = platform(shop, f"commerce/customers/{customer_id}")
    member = platform(shop, f"rewards/members/{customer_id}")
    # The platform takes a phone number of 40 characters.
    phone, street, tier = unique("+49"), unique("Street"), unique("tier")
    known = shop.call(
        "PUT",
        f"/partners/v1/commerce/customers/{customer_id}",
        json=customer | {"phone": phone, "addresses": [{"street": street}]},
        headers={"If-Match": str(customer["version"])},
    )
    assert known.status_code == 200, known.text
    rewarded = patiently(
        lambda: shop.call("PUT", f"/partners/v1/rewards/members/{customer_id}", json=member | {"tier": tier})
    )
    assert rewarded.status_code == 200, rewarded.text
    secrets = (name, email, phone, street, tier, customer["identity_id"], member["rewards_id"])
    return Member(customer_id, email, password, sign_in(shop, email, password), secrets)


def stranger(shop: Shop) -> boto3.Session:
    """A session of the account's role that has no permissions (templates/delivery.yaml)."""
    account = shop.address("event-bus", "bus-arn").split(":")[4]
    role = f"arn:aws:iam::{account}:role/setpieces-stranger-{shop.stage}"
    keys = shop.aws("sts").assume_role(RoleArn=role, RoleSessionName="stranger")["Credentials"]
    return boto3.Session(
        keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"], region_name=shop.session.region_name
    )


def platform(shop: Shop, path: str) -> Any:
    answer = patiently(lambda: shop.call("GET", f"/partners/v1/{path}"))
    assert answer.status_code == 200, answer.text
    return answer.json()

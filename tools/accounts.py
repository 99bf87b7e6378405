"""Accounts of customers for the demo, the smoke test, tests and benchmarks.

A sign-up is confirmed by a mail, which only the local cloud keeps. Tests that also run on other stages create an account
directly in the simulators, without the event of a sign-up.
"""

import re
from collections.abc import Callable
from typing import Any

import httpx

from local.mailbox import outbox
from tools import samples
from tools.client import Shop, eventually, unique, with_retries

# The shop sends five mails an hour to an address.
TRIES, MAIL_SECONDS = 3, 30
_TOKEN = re.compile(r"/sign-up/confirm#([0-9a-f]{32}\.[A-Za-z0-9_-]{43})")


def sign_up(shop: Shop, email: str, password: str, name: str) -> str:
    """Request an account, confirm it by the mailed link, and return the customer's id."""

    def request(headers: dict[str, str]) -> None:
        account = {"email": email, "name": name}
        response = with_retries(lambda: shop.call("POST", "/customers/v1/customers", json=account, headers=headers))
        assert response.status_code == 202, response.text

    confirmation = {"token": mailed_token(shop, email, request), "password": password}
    response = with_retries(lambda: shop.call("POST", "/customers/v1/customers/confirmations", json=confirmation))
    assert response.status_code == 201, response.text
    customer_id: str = response.json()["customer_id"]
    return customer_id


def mailed_token(shop: Shop, email: str, request: Callable[[dict[str, str]], Any]) -> str:
    """The token of the link that is mailed to ``email`` after ``request(headers)`` has requested an account.

    Requests it again if no mail arrives: a restarted local cloud has lost its mails.
    """
    tries_left = TRIES
    while True:
        request({"Idempotency-Key": unique("sign-up")})
        try:
            return newest_token(shop, email)
        except (AssertionError, httpx.HTTPError):
            tries_left -= 1
            if not tries_left:
                raise


def newest_token(shop: Shop, email: str) -> str:
    """The token of the newest link that was mailed to ``email``."""
    return eventually(lambda: _tokens(shop, email), MAIL_SECONDS)[-1]


def _tokens(shop: Shop, email: str) -> list[str]:
    return [token for mail in outbox(shop.emulator, email) for token in _TOKEN.findall(mail.text)]


def create(shop: Shop, email: str, password: str, name: str) -> str:
    """Create a customer in the simulators and return their id."""
    response = with_retries(lambda: shop.call("POST", "/sequences/v1/sequences/customer/next", sign=True))
    customer_id: str = response.json()["formatted"]
    credentials = {"email": email, "password": password, "customer_id": customer_id}
    identity_id = _put(shop, "POST", "identity/identities", credentials)["identity_id"]
    if_new = {"If-None-Match": "*"}
    customer = samples.customer(customer_id, identity_id, name, email) | {"addresses": [], "origin": "shop"}
    _put(shop, "PUT", f"commerce/customers/{customer_id}", customer, if_new)
    member = samples.member(customer_id, identity_id) | {"points": 0, "tier": "bronze"}
    _put(shop, "PUT", f"rewards/members/{customer_id}", member, if_new)
    return customer_id


def _put(shop: Shop, method: str, path: str, body: Any, headers: dict[str, str] | None = None) -> dict[str, Any]:
    response = with_retries(lambda: shop.call(method, f"/partners/v1/{path}", json=body, headers=headers))
    # 412: the first attempt succeeded, but its response was lost.
    assert response.status_code in (200, 201, 412), response.text
    stored: dict[str, Any] = response.json()
    return stored

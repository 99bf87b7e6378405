"""Accounts of customers for the demo, the smoke test, tests and benchmarks.

A sign-up is confirmed by a mail, which can be read in the local cloud only. Tests that run on other stages too put an account
onto the simulators as a confirmation would put it; no event says so.
"""

import re
from collections.abc import Callable
from typing import Any

import httpx

from tools import samples
from tools.client import Shop, eventually, unique, with_retries
from tools.mail import outbox

# An address is sent five mails an hour.
TRIES, MAIL_SECONDS = 3, 30
_TOKEN = re.compile(r"/sign-up/confirm#([0-9a-f]{32}\.[A-Za-z0-9_-]{43})")


def sign_up(shop: Shop, email: str, password: str, name: str) -> str:
    """The id of the new customer, who has asked for an account and opened the mailed link."""

    def ask(headers: dict[str, str]) -> None:
        new = {"email": email, "name": name}
        answer = with_retries(lambda: shop.call("POST", "/customers/v1/customers", json=new, headers=headers))
        assert answer.status_code == 202, answer.text

    sent = {"token": mailed_token(shop, email, ask), "password": password}
    answer = with_retries(lambda: shop.call("POST", "/customers/v1/customers/confirmations", json=sent))
    assert answer.status_code == 201, answer.text
    customer_id: str = answer.json()["customer_id"]
    return customer_id


def mailed_token(shop: Shop, email: str, ask: Callable[[dict[str, str]], Any]) -> str:
    """The token of the link that is mailed to ``email`` after ``ask(headers)`` has asked for an account.

    A local cloud that was killed meanwhile has forgotten its mails: then an account is asked for again.
    """
    tries_left = TRIES
    while True:
        ask({"Idempotency-Key": unique("sign-up")})
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
    return [token for mail in outbox(shop, email) for token in _TOKEN.findall(mail.text)]


def create(shop: Shop, email: str, password: str, name: str) -> str:
    """The id of a new customer whom the simulators know."""
    taken = with_retries(lambda: shop.call("POST", "/sequences/v1/sequences/customer/next", sign=True))
    customer_id: str = taken.json()["formatted"]
    credentials = {"email": email, "password": password, "customer_id": customer_id}
    identity_id = _put(shop, "POST", "identity/identities", credentials)["identity_id"]
    new = {"If-None-Match": "*"}
    customer = samples.customer(customer_id, identity_id, name, email) | {"addresses": [], "origin": "shop"}
    _put(shop, "PUT", f"commerce/customers/{customer_id}", customer, new)
    member = samples.member(customer_id, identity_id) | {"points": 0, "tier": "bronze"}
    _put(shop, "PUT", f"rewards/members/{customer_id}", member, new)
    return customer_id


def _put(shop: Shop, method: str, path: str, body: Any, headers: dict[str, str] | None = None) -> dict[str, Any]:
    answer = with_retries(lambda: shop.call(method, f"/partners/v1/{path}", json=body, headers=headers))
    # 412: the answer to the first attempt was lost.
    assert answer.status_code in (200, 201, 412), answer.text
    stored: dict[str, Any] = answer.json()
    return stored

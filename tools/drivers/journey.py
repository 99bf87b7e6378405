"""A customer's journey through the shop, for the demo and the smoke test."""

import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from iso4217 import Currency

from tools.client import Shop, new_basket_id, unique, with_retries

ORDER_SECONDS = 120
QUOTATION_SECONDS = 20.0
ADDRESS = {"name": "Ada Sample", "street": "Steinweg 1", "city": "Berlin", "postal_code": "10115", "country": "DE"}


class Journey:
    """State of a customer: their basket, the products on offer and the chosen one, their session."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.basket = new_basket_id("demo")
        self.products: list[dict[str, Any]] = []
        self.product: dict[str, Any] = {}
        self.session: dict[str, Any] = {}
        self.profile = ""
        self.progress: Callable[[int, int], None] = lambda done, total: None

    def call(self, method: str, path: str, status: int, **options: Any) -> Any:
        """The decoded body of a response with this status. Raises ``AssertionError`` for another status."""
        response = self.shop.call(method, path, **options)
        if response.status_code != status:
            raise AssertionError(
                f"{method} {path} returned {response.status_code} instead of {status}: {response.text[:500]}"
            )
        return response.json() if response.content else None


def sign_in(journey: Journey, person: dict[str, str]) -> dict[str, Any]:
    """A new session of a person with ``email`` and ``password``."""
    credentials = {name: person[name] for name in ("email", "password")}
    session: dict[str, Any] = journey.call("POST", "/login/v1/sessions", 201, json=credentials)
    return session


def bearer(session: dict[str, Any]) -> dict[str, str]:
    """The headers of requests with a session."""
    return {"Authorization": f"Bearer {session['session_token']}"}


def quote(journey: Journey, voucher_codes: tuple[str, ...] = ()) -> dict[str, Any]:
    """The quotation of the basket, delivered to Berlin; retries 429 and 5xx, which cold starts may cause."""
    ship_to = {name: ADDRESS[name] for name in ("country", "postal_code")}
    body = {"basket_id": journey.basket, "ship_to": ship_to, "voucher_codes": voucher_codes}
    path = "/orders/v1/quotations"
    response = with_retries(lambda: journey.shop.call("POST", path, json=body), QUOTATION_SECONDS)
    if response.status_code != 200:
        raise AssertionError(f"POST {path} returned {response.status_code} instead of 200: {response.text[:500]}")
    quotation: dict[str, Any] = response.json()
    return quotation


def place_order(journey: Journey, payment_token: str, quotation: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """(order number, final status); polls as ``Retry-After`` advises. Raises ``AssertionError`` after two minutes."""
    headers = bearer(journey.session) if journey.session else {}
    order = {
        "quotation_id": quotation["quotation_id"],
        "payment_token": payment_token,
        "email": "ada.sample@example.com",
        "ship_to": ADDRESS,
    }
    key = {"Idempotency-Key": unique("order")}
    number = journey.call("POST", "/orders/v1/orders", 202, json=order, headers=headers | key)["order_number"]
    deadline = time.monotonic() + ORDER_SECONDS
    while time.monotonic() < deadline:
        response = journey.shop.call("GET", f"/orders/v1/orders/{number}/status", headers=headers)
        if response.status_code != 200:
            raise AssertionError(f"the status of {number} returned {response.status_code}: {response.text[:300]}")
        if "retry-after" not in response.headers:
            return number, response.json()
        time.sleep(int(response.headers["retry-after"]))
    raise AssertionError(f"order {number} is still in progress after {ORDER_SECONDS} s")


def money(amount: int, currency: str) -> str:
    """An amount in minor units as text, with the decimals of ISO 4217: ``12.99 EUR``."""
    decimals = Currency(currency).exponent or 0
    return f"{Decimal(amount).scaleb(-decimals):.{decimals}f} {currency}"


def price(product: dict[str, Any]) -> str:
    return money(product["unit_price"], product["currency"])

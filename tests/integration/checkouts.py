"""Orders as customers place them: a basket, a request, and the order's way to its end."""

from typing import Any

import httpx

from tools.client import Shop, eventually, new_basket_id, unique, with_retries
from tools.drivers.customers import sign_in

# The sample customer.
CUSTOMER = "C000000001"
ADDRESS = {"name": "Ada Sample", "street": "Brick Lane 1", "city": "Berlin", "postal_code": "10115", "country": "DE"}


def fill_basket(shop: Shop, product: dict, quantity: int = 1) -> str:
    basket = new_basket_id("b")
    path, line = f"/basket/v1/baskets/{basket}/items", {"sku": product["sku"], "quantity": quantity}
    once = {"Idempotency-Key": unique("add")}
    assert with_retries(lambda: shop.call("POST", path, json=line, headers=once)).status_code == 201
    return basket


def body(basket: str, **changes: Any) -> dict[str, Any]:
    """The request for a guest's order; a session's names its ``customer_id``."""
    return {"basket_id": basket, "customer_id": "guest", "payment_token": "tok_ok", "ship_to": ADDRESS} | changes


def submit(shop: Shop, payload: Any, session: str | None = None, **headers: str) -> httpx.Response:
    if session:
        headers["Authorization"] = f"Bearer {session}"
    return with_retries(lambda: shop.call("POST", "/orders/v1/orders", json=payload, headers=headers))


def status(shop: Shop, number: str, session: str | None = None) -> httpx.Response:
    headers = {"Authorization": f"Bearer {session}"} if session else {}
    return with_retries(lambda: shop.call("GET", f"/orders/v1/orders/{number}/status", headers=headers))


def ended(shop: Shop, number: str, session: str | None = None) -> dict[str, Any]:
    """The status once it is Complete or Failed."""

    def final_status() -> dict[str, Any] | None:
        order_status = status(shop, number, session)
        assert order_status.status_code == 200, order_status.text
        return order_status.json() if order_status.json()["status"] != "Processing" else None

    return eventually(final_status, every=0.3)


def wait_until_closed(shop: Shop, number: str) -> None:
    """Wait until an order holds nothing any more, a moment after it is Complete or Failed.

    Its stock and vouchers are settled, its basket can be ordered again if the order failed, and its item expires from now on.
    """
    table, key = shop.address("orders", "table-name"), {"order_number": {"S": number}}
    eventually(lambda: "in_progress" not in shop.aws("dynamodb").get_item(TableName=table, Key=key)["Item"])


def inside(shop: Shop, number: str) -> dict[str, Any]:
    """The order as the internal API returns it to other services."""
    return with_retries(lambda: shop.call("GET", f"/orders/v1/internal/orders/{number}", sign=True)).json()


def session_of(shop: Shop, person: str) -> str:
    return sign_in(shop, shop.samples[person]["email"], shop.samples[person]["password"])

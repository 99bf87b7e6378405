"""Stock of the commerce platform over HTTP: reserved and sold once, whatever arrives at once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from tests.integration.products import put_product
from tools.client import Shop, unique, with_retries

BUYERS = 16


def commerce(shop: Shop, method: str, path: str, body=None) -> httpx.Response:
    """The first response that decides something."""
    return with_retries(lambda: shop.call(method, f"/partners/v1/commerce/{path}", json=body))


def reserve(shop: Shop, number: str, *skus: str) -> httpx.Response:
    body = {
        "lines": [{"sku": sku, "quantity": 1} for sku in skus],
        "expires_at": (datetime.now(UTC) + timedelta(minutes=10)).isoformat(),
    }
    return commerce(shop, "PUT", f"reservations/{number}", body)


def order(shop: Shop, number: str, *skus: str) -> httpx.Response:
    lines = [{"sku": sku, "quantity": 1} for sku in skus]
    body = {"customer_id": "guest", "lines": lines, "totals": {}, "status": "paid"}
    return commerce(shop, "PUT", f"orders/{number}", body)


def pieces(shop: Shop, sku: str) -> tuple[int, int, int]:
    """(sold, reserved, available); they are all that were received."""
    stock = commerce(shop, "GET", f"stock/{sku}").json()
    assert stock["sold"] + stock["reserved"] + stock["available"] == stock["received"]
    return stock["sold"], stock["reserved"], stock["available"]


@pytest.fixture
def skus(shop: Shop) -> list[str]:
    """Two products, one piece of each."""
    return [put_product(shop, available=True, stock=1)["sku"] for _ in range(2)]


def test_one_of_64_buyers_gets_the_last_piece(shop: Shop, skus: list[str]):
    numbers = [unique("T") for _ in range(64)]
    with ThreadPoolExecutor(BUYERS) as buyers:
        responses = list(buyers.map(lambda number: reserve(shop, number, *skus), numbers))
    refusals = [response.json() for response in responses if response.status_code == 409]
    assert len(refusals) == 63
    assert {refusal["code"] for refusal in refusals} == {"OUT_OF_STOCK"}
    assert {line["code"] for refusal in refusals for line in refusal["lines"]} == {"OUT_OF_STOCK"}
    assert pieces(shop, skus[0]) == pieces(shop, skus[1]) == (0, 1, 0)


def test_orders_for_one_product_at_once_are_all_sold(shop: Shop):
    sku = put_product(shop, available=True, stock=BUYERS)["sku"]
    numbers = [unique("T") for _ in range(BUYERS)]
    with ThreadPoolExecutor(BUYERS) as buyers:
        reserved = list(buyers.map(lambda number: reserve(shop, number, sku).status_code, numbers))
        placed = list(buyers.map(lambda number: order(shop, number, sku).status_code, numbers))
    # 200: a repeat after a response that was lost.
    assert {*reserved, *placed} <= {200, 201}
    assert pieces(shop, sku) == (BUYERS, 0, 0)
    assert all(len(shop.ledger("platform-orders", number)) == 1 for number in numbers)


def test_concurrent_duplicates_of_an_order_sell_once(shop: Shop, skus: list[str]):
    number = unique("T")
    assert reserve(shop, number, *skus).status_code == 201
    with ThreadPoolExecutor(BUYERS) as senders:
        statuses = set(senders.map(lambda _: order(shop, number, *skus).status_code, range(BUYERS)))
    assert statuses <= {200, 201}
    assert pieces(shop, skus[0]) == pieces(shop, skus[1]) == (1, 0, 0)
    assert len(shop.ledger("platform-orders", number)) == 1


def test_a_released_reservation_does_not_come_back(shop: Shop, skus: list[str]):
    number = unique("T")
    assert reserve(shop, number, *skus).status_code == 201
    assert commerce(shop, "DELETE", f"reservations/{number}?attempt=0").status_code == 204
    assert pieces(shop, skus[0]) == (0, 0, 1)
    late = reserve(shop, number, *skus)
    assert (late.status_code, late.json()["code"]) == (409, "RESERVATION_CLOSED")
    assert shop.call("GET", f"/catalog/v1/products/{skus[0]}").json()["available"] is True

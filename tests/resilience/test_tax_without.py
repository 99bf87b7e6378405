"""Tax without the tax system and without the table: orders receive a quotation within their timeout."""

import time
from collections.abc import Iterator

import httpx
import pytest

from orders.clients import tax
from tax.repository import circuit
from tests.integration.quotations import PATH, REQUEST, TAX_IN_GERMANY
from tests.resilience.permissions import role_of, without_permission
from tools.client import Shop, eventually


def quote(shop: Shop) -> httpx.Response:
    """Request a quotation with the timeout of orders, repeatedly: on a busy machine single responses are late."""
    return eventually(lambda: shop.call("POST", PATH, json=REQUEST, sign=True, timeout=tax.TIMEOUT_SECONDS))


def tax_system_responds(shop: Shop) -> bool:
    response = shop.call("POST", PATH, json=REQUEST, sign=True)
    return response.status_code == 200 and response.json()["source"] == "quotation"


@pytest.fixture(autouse=True)
def _closed(shop: Shop) -> Iterator[None]:
    """Before and after each test the circuit is closed and a function is warm."""
    eventually(lambda: tax_system_responds(shop), every=0.5)
    yield
    eventually(lambda: tax_system_responds(shop), every=0.5)


@pytest.mark.parametrize("fault", [{"latency_ms": 10_000}, {"outage": True}])
def test_a_caller_with_the_timeout_of_orders_gets_a_response(shop: Shop, fault: dict):
    """Makes more calls than open the circuit, so both fallbacks are used."""
    with shop.faults("tax", **fault):
        responses = [quote(shop) for _ in range(8)]
    assert [response.status_code for response in responses] == [200] * 8
    assert {(response.json()["source"], response.json()["tax_total"]) for response in responses} == {
        ("cached_rates", TAX_IN_GERMANY)
    }


def test_a_quotation_succeeds_without_read_permission_on_the_table(shop: Shop):
    with without_permission(shop, role_of("Tax", "QuoteTax"), "dynamodb:GetItem"):
        # Longer than instances keep the circuit's state.
        until = time.monotonic() + 2 * circuit.FRESH_SECONDS
        while time.monotonic() < until:
            eventually(lambda: tax_system_responds(shop))


def test_a_quotation_succeeds_if_failures_cannot_be_recorded(shop: Shop):
    with without_permission(shop, role_of("Tax", "QuoteTax"), "dynamodb:PutItem"), shop.faults("tax", outage=True):
        response = quote(shop)
    assert (response.status_code, response.json()["source"]) == (200, "cached_rates")


def test_without_table_and_tax_system_the_response_is_503(shop: Shop):
    with without_permission(shop, role_of("Tax", "QuoteTax"), "dynamodb:GetItem"), shop.faults("tax", outage=True):
        response = quote(shop)
    assert (response.status_code, response.json()["code"]) == (503, "TAX_UNAVAILABLE")
    assert int(response.headers["retry-after"]) > 0

"""Tax without the tax system, and without the table: orders get a quotation, and get it in the time that they wait."""

import time
from collections.abc import Iterator

import httpx
import pytest

from local.shop import Shop, eventually
from orders.clients import tax
from tax.repository import circuit
from tests.integration.quotations import PATH, REQUEST, TAX_IN_GERMANY
from tests.resilience.permissions import role_of, without


def quote(shop: Shop) -> httpx.Response:
    """A quotation, or ``httpx.TimeoutException`` once the orders service would have given up."""
    return shop.call("POST", PATH, json=REQUEST, sign=True, timeout=tax.TIMEOUT_SECONDS)


def works(shop: Shop) -> bool:
    answer = shop.call("POST", PATH, json=REQUEST, sign=True)
    return answer.status_code == 200 and answer.json()["source"] == "quotation"


@pytest.fixture(autouse=True)
def _closed(shop: Shop) -> Iterator[None]:
    """The circuit is closed and a function warm, before and after."""
    eventually(lambda: works(shop), every=0.5)
    yield
    eventually(lambda: works(shop), every=0.5)


@pytest.mark.parametrize("fault", [{"latency_ms": 10_000}, {"outage": True}])
def test_a_caller_with_the_timeout_of_orders_gets_a_response(shop: Shop, fault: dict):
    """More calls than the circuit needs to open, so both ways of falling back are taken."""
    with shop.faults("tax", **fault):
        # On a busy machine any answer may be late, but not each.
        answers = [eventually(lambda: quote(shop)) for _ in range(8)]
    assert [answer.status_code for answer in answers] == [200] * 8
    assert {(answer.json()["source"], answer.json()["tax_total"]) for answer in answers} == {
        ("cached_rates", TAX_IN_GERMANY)
    }


def test_a_quotation_of_the_tax_system_needs_no_table(shop: Shop):
    """For longer than an instance relies on what it read."""
    with without(shop, role_of("Tax", "QuoteTax"), "dynamodb:GetItem"):
        until = time.monotonic() + 2 * circuit.FRESH_SECONDS
        while time.monotonic() < until:
            assert works(shop)


def test_a_failure_that_cannot_be_counted_costs_no_quotation(shop: Shop):
    with without(shop, role_of("Tax", "QuoteTax"), "dynamodb:PutItem"), shop.faults("tax", outage=True):
        answer = quote(shop)
    assert (answer.status_code, answer.json()["source"]) == (200, "cached_rates")


def test_without_table_and_tax_system_the_response_is_503(shop: Shop):
    with without(shop, role_of("Tax", "QuoteTax"), "dynamodb:GetItem"), shop.faults("tax", outage=True):
        answer = quote(shop)
    assert (answer.status_code, answer.json()["code"]) == (503, "TAX_UNAVAILABLE")
    assert int(answer.headers["retry-after"]) > 0

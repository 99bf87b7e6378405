"""One correlation id through all logs, events and traces of a checkout."""

from datetime import UTC, datetime

import pytest

from tests.integration.checkouts import body, ended, fill_basket, submit
from tools import trace
from tools.client import Shop, eventually, unique


@pytest.fixture
def product(products: list[dict]) -> dict:
    return products[0]


CHECKOUT = (
    "orders-submit-order",
    "orders-process-order",
    "tax-quote-tax",
    "payments-authorize-payment",
    "orders-complete-order",
    "shipping-queue-shipment",
    "shipping-ship-order",
    "data-sync-sync-customer",
    "data-sync-sync-vip",
)


def test_one_checkout_has_one_correlation_id_everywhere(shop: Shop, product: dict):
    correlation, started = unique("trace"), datetime.now(UTC)
    payload = body(fill_basket(shop, product))
    number = submit(shop, payload, **{"X-Correlation-Id": correlation}).json()["order_number"]
    assert ended(shop, number)["status"] == "Complete"
    eventually(lambda: shop.ledger("shipments", number))
    for function in CHECKOUT:
        group = f"/aws/lambda/setpieces-{shop.stage}-{function}"

        def logged(group: str = group) -> bool:
            pages = shop.aws("logs").get_paginator("filter_log_events").paginate(logGroupName=group)
            if any(correlation in event["message"] for page in pages for event in page["events"]):
                return True
            # On a busy machine the local cloud gets a function's last lines with its next invocation: one more checkout.
            submit(shop, body(fill_basket(shop, product)))
            return False

        eventually(logged, every=2)
    way = trace.steps(shop, trace.correlation_of(shop, number), started)
    assert {step.where for step in way} >= {*CHECKOUT, "checkout-bus"}
    published = [step.what.split()[0] for step in way if step.level == "EVENT"]
    assert published == ["CHECKOUT/ORDER/SUBMIT", "CHECKOUT/PAYMENT/AUTHORIZED", "CHECKOUT/ORDER/COMPLETE"]


@pytest.mark.local_only("X-Ray has no API in the local cloud; the emulator keeps the segments that functions send")
def test_the_traces_of_one_checkout_have_its_correlation_id(shop: Shop, product: dict):
    correlation = unique("trace")
    payload = body(fill_basket(shop, product))
    number = submit(shop, payload, **{"X-Correlation-Id": correlation}).json()["order_number"]
    assert ended(shop, number)["status"] == "Complete"
    eventually(lambda: traced(shop, correlation) >= {"orders", "tax", "payments", "shipping", "data-sync"})


def traced(shop: Shop, correlation: str) -> set[str]:
    """The services whose traces carry a correlation id."""
    response = shop.emulator("GET", "/_setpieces/traces", params={"correlation_id": correlation})
    return {segment["annotations"]["Service"] for segment in response.json() if "annotations" in segment}

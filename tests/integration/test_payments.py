"""From a submitted order to the charge at the provider: one or none, whatever fails and however often it is requested."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from setpieces.events import derived_id
from tests.integration.spokes import about, dead_letters, drained, next_order_number, put, waiting
from tools.client import Shop, eventually, new_basket_id, unique, with_retries
from tools.events import listening, receive_events

SUBMIT = ("CHECKOUT", "ORDER", "SUBMIT")
ADDRESS = {"name": "Ada Sample", "street": "Brick Lane 1", "city": "Berlin", "postal_code": "10115", "country": "DE"}


@pytest.fixture
def submitted(shop: Shop, products: list[dict]) -> Any:
    """Places an order for one product, paid with a token; its number."""

    def submit(token: str, **headers: str) -> str:
        basket = new_basket_id("pay")
        line = {"sku": products[0]["sku"], "quantity": 1}
        path, once = f"/basket/v1/baskets/{basket}/items", {"Idempotency-Key": unique("add")}
        assert with_retries(lambda: shop.call("POST", path, json=line, headers=once)).status_code == 201
        order = {
            "basket_id": basket,
            "customer_id": "guest",
            "payment_token": token,
            "ship_to": ADDRESS,
        }
        headers = {"Idempotency-Key": unique("order")} | headers
        response = with_retries(lambda: shop.call("POST", "/orders/v1/orders", json=order, headers=headers))
        assert response.status_code == 202, response.text
        return response.json()["order_number"]

    return submit


def status(shop: Shop, number: str) -> str:
    """What the customer sees."""
    response = with_retries(lambda: shop.call("GET", f"/orders/v1/orders/{number}/status"))
    assert response.status_code == 200, response.text
    return response.json()["status"]


def ended(shop: Shop, number: str) -> str:
    return eventually(lambda: status(shop, number).replace("Processing", ""))


def charges(shop: Shop, number: str) -> list[str]:
    return [entry["status"] for entry in shop.ledger("charges", number)]


@pytest.fixture
def on_the_bus(shop: Shop) -> Iterator[Any]:
    """Waits for an event about an order; its envelope."""
    events: list[dict[str, Any]] = []
    with listening(shop) as url:

        def event(number: str, status: str) -> dict[str, Any]:
            def receive() -> dict[str, Any] | None:
                events.extend(event["detail"]["event"] for event in receive_events(shop, url, wait_seconds=1))
                return next(filter(lambda event: is_it(event, number, status), events), None)

            return eventually(receive)

        yield event


def is_it(event: dict[str, Any], number: str, status: str) -> bool:
    return event["data"].get("order_number") == number and event["meta_data"]["status"] == status


@pytest.mark.parametrize(
    ("token", "outcome", "result"),
    [
        ("tok_ok", "Complete", "AUTHORIZED"),
        ("tok_declined", "Failed", "DECLINED"),
        ("tok_forged", "Failed", "DECLINED"),
    ],
)
def test_the_result_follows_from_the_submitted_order(shop: Shop, submitted, on_the_bus, token, outcome, result):
    correlation_id = unique("pay")
    number = submitted(token, **{"X-Correlation-Id": correlation_id})
    cause, event = on_the_bus(number, "SUBMIT"), on_the_bus(number, result)
    assert event["meta_data"]["correlation_id"] == correlation_id
    assert event["meta_data"]["causation_id"] == cause["meta_data"]["event_id"]
    assert event["meta_data"]["event_id"] == derived_id("payment", number, result)
    assert ended(shop, number) == outcome
    members = {"AUTHORIZED": {"amount", "charge_id"}, "DECLINED": {"reason_code"}}[result]
    assert members <= set(event["data"])
    assert token not in str(event)


def test_a_provider_that_charges_and_answers_too_late_has_charged_once(shop: Shop, submitted):
    number = submitted("tok_slow")
    assert ended(shop, number) == "Complete"
    assert charges(shop, number) == ["authorized"]


FAULTS = [
    {"outage": True},
    {"error_rate": 0.5},
    {"latency_ms": 4000, "operations": ["create_charge"]},
    {"latency_ms": 4000, "operations": ["get_charge"]},
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: "-".join(map(str, fault)))
def test_a_failing_provider_costs_time_and_nothing_else(shop: Shop, submitted, fault: dict):
    with shop.faults("payments", **fault):
        numbers = [submitted(token) for token in ("tok_ok", "tok_declined", "tok_ok")]
        # Each has been tried at least once while the fault was there.
        eventually(lambda: all(payment_requested(shop, number) for number in numbers))
        eventually(lambda: waiting(shop, "payments-submitted", "NotVisible") or all_ended(shop, numbers))
    assert [ended(shop, number) for number in numbers] == ["Complete", "Failed", "Complete"]
    assert [charges(shop, number) for number in numbers] == [["authorized"], ["declined"], ["authorized"]]
    assert [dead_letters(shop, "payments-submitted-dlq", number) for number in numbers] == [[], [], []]


def payment_requested(shop: Shop, number: str) -> bool:
    """True once the order's payment was requested."""
    order = shop.call("GET", f"/orders/v1/internal/orders/{number}", sign=True).json()
    return order["backend_status"] != "Validating"


def all_ended(shop: Shop, numbers: list[str]) -> bool:
    return all(status(shop, number) != "Processing" for number in numbers)


@pytest.mark.parametrize(
    ("token", "outcome"), [("tok_ok", "Complete"), ("tok_declined", "Failed"), ("tok_slow", "Complete")]
)
def test_repeated_events_before_and_after_the_end_charge_once(shop: Shop, submitted, token: str, outcome: str):
    with drained(shop, "payments-submitted"):
        number = submitted(token)
        with ThreadPoolExecutor(4) as clients:
            list(clients.map(lambda _: put(shop, about(shop, number, *SUBMIT), source="order-submit"), range(8)))
        assert ended(shop, number) == outcome
        put(shop, *(about(shop, number, *SUBMIT) for _ in range(8)), source="order-submit")
    assert len(charges(shop, number)) == 1
    assert status(shop, number) == outcome
    assert dead_letters(shop, "payments-submitted-dlq", number) == []


def test_an_unknown_order_is_parked_under_its_name(shop: Shop):
    number = next_order_number(shop)
    put(shop, about(shop, number, *SUBMIT), source="order-submit")
    (dead,) = eventually(lambda: dead_letters(shop, "payments-submitted-dlq", number))
    assert (dead.about, dead.event, dead.reason) == (number, "CHECKOUT/ORDER/SUBMIT", "UNKNOWN_ORDER")
    assert charges(shop, number) == []

"""Both functions of shipping, from the message to their calls; every call fails once."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from setpieces import external
from setpieces.errors import ExternalUnavailable
from setpieces.external import Answer
from shipping import clients
from shipping.domain import MAX_RECEIVES_OF_UNKNOWN_ORDER
from tests.faults import Faults
from tests.service import Service
from tests.unit.shipping.samples import ORDER, order_complete

UNAVAILABLE = ExternalUnavailable("sap", "no answer", timed_out=True)


class ExternalSystems:
    """The commerce platform and SAP: ``responses`` of each, and the ``calls`` (system, method, path, body) they got."""

    def __init__(self) -> None:
        self.responses: dict[str, Answer | Exception] = {"commerce": Answer(200, ORDER), "sap": Answer(201, {})}
        self.calls: list[tuple[str, str, tuple[str, ...], Any]] = []

    def call(self, system: str, method: str, *path: str, timeout: float, body: Any = None) -> Answer:
        self.calls.append((system, method, path, body))
        response = self.responses[system]
        if isinstance(response, Exception):
            raise response
        return response


@pytest.fixture
def shipping(service: Callable[..., Service]) -> Service:
    return service("shipping")


@pytest.fixture
def systems(monkeypatch: pytest.MonkeyPatch) -> ExternalSystems:
    systems = ExternalSystems()
    monkeypatch.setattr(external, "call", systems.call)
    return systems


def ship(shipping: Service, receive_count: int = 1) -> list[str]:
    """The ids of the messages that are to be delivered again."""
    return shipping.deliver("ship_order", order_complete(), group_id="T100000001", receive_count=receive_count)


# --- queue_shipment ---


def test_an_event_is_queued_in_the_message_group_of_its_order(shipping: Service, faults: Faults) -> None:
    event = order_complete()
    assert shipping.deliver("queue_shipment", event) == []
    (request,) = faults.requests("SendMessage")
    assert request["MessageDeduplicationId"] == event["detail"]["event"]["meta_data"]["event_id"]
    (message,) = shipping.messages("ShipmentsQueue")
    assert (json.loads(message.body), message.group_id) == (event, "T100000001")


def test_a_repeated_event_is_queued_once(shipping: Service) -> None:
    shipping.deliver("queue_shipment", order_complete())
    shipping.deliver("queue_shipment", order_complete())
    assert len(shipping.messages("ShipmentsQueue")) == 1


def test_an_event_is_queued_once_when_the_answer_of_sqs_is_lost(shipping: Service, faults: Faults) -> None:
    faults.lose_response("SendMessage")
    assert shipping.deliver("queue_shipment", order_complete()) == []
    assert len(shipping.messages("ShipmentsQueue")) == 1


@pytest.mark.parametrize("body", ["{}", "[]", "x", '{"detail": {"event": {}}}'])
def test_an_invalid_event_becomes_a_dead_letter(shipping: Service, body: str) -> None:
    assert shipping.deliver("queue_shipment", body) == []
    assert shipping.messages("ShipmentsQueue") == []
    assert len(shipping.messages("CompletedDeadLetters")) == 1


def test_an_event_that_cannot_be_queued_is_delivered_again(shipping: Service) -> None:
    shipping.variables["SHIPMENTS_QUEUE_URL"] = "https://sqs.eu-central-1.amazonaws.com/000000000000/gone.fifo"
    assert shipping.deliver("queue_shipment", order_complete()) == ["m0"]


# --- ship_order ---


def test_an_order_is_read_and_sent_to_sap(shipping: Service, systems: ExternalSystems) -> None:
    assert ship(shipping) == []
    read, written = systems.calls
    assert read == ("commerce", "GET", ("orders", "T100000001"), None)
    assert written[:3] == ("sap", "PUT", ("shipments", "T100000001"))
    assert written[3]["lines"] == [{"sku": "SP-1", "quantity": 2}]
    assert shipping.messages("ShipmentsDeadLetters") == []


@pytest.mark.parametrize(
    ("system", "response"),
    [("commerce", UNAVAILABLE), ("sap", UNAVAILABLE), ("commerce", Answer(404, {})), ("commerce", Answer(200, None))],
)
def test_an_order_is_delivered_again_after_a_passing_fault(
    shipping: Service, systems: ExternalSystems, system: str, response: Answer | Exception
) -> None:
    systems.responses[system] = response
    assert ship(shipping) == ["m0"]
    assert shipping.messages("ShipmentsDeadLetters") == []


@pytest.mark.parametrize(
    ("system", "response", "reason"),
    [
        ("commerce", Answer(404, {}), "UNKNOWN_ORDER"),
        ("commerce", Answer(200, ORDER | {"lines": []}), "INVALID_ORDER"),
        ("sap", Answer(409, {}), "DIFFERENT_SHIPMENT"),
        ("sap", Answer(400, {}), "SHIPMENT_REFUSED"),
    ],
)
def test_a_permanent_failure_becomes_a_dead_letter_with_its_reason(
    shipping: Service, systems: ExternalSystems, system: str, response: Answer, reason: str
) -> None:
    systems.responses[system] = response
    assert ship(shipping, receive_count=MAX_RECEIVES_OF_UNKNOWN_ORDER) == []
    (dead_letter,) = shipping.messages("ShipmentsDeadLetters")
    assert dead_letter.attributes["reason"] == reason
    assert (json.loads(dead_letter.body), dead_letter.group_id) == (order_complete(), "T100000001")


def test_both_calls_fit_into_the_time_out_of_the_function() -> None:
    assert clients.GET_SECONDS + clients.PUT_SECONDS <= 4

"""From the submitted order to the event that tells the result, with a failure at every call, and again after it.

The provider here is one that charges once per key; it can fail before or after the charge.
"""

import importlib
import json
from itertools import product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from local.settings import ROOT
from payments import clients, requests
from setpieces import backoff, events, sqs_consumer
from setpieces.errors import ExternalUnavailable
from setpieces.external import Answer
from tests.lambda_events import CONTEXT
from tests.unit.lost_answers import repeat

NUMBER = "T100000001"
SUBMIT = json.loads((ROOT / "events" / "payments" / "authorize_payment.json").read_text())
SUBMIT_META = json.loads(SUBMIT["Records"][0]["body"])["detail"]["event"]["meta_data"]
TOKENS = {"tok_ok": "authorized", "tok_declined": "declined"}


class World:
    """Orders, provider and bus. ``faults`` holds one entry per call to come: None, "before" or "after" its effect."""

    def __init__(self) -> None:
        self.order = {
            "order_number": NUMBER,
            "customer_id": "C100000001",
            "backend_status": "Payment processing",
            "amount": 7998,
            "currency": "EUR",
            "payment_token": "tok_ok",
        }
        self.orders_answer: Answer | None = None
        self.charges: dict[str, dict] = {}
        self.effects = 0
        self.published: list[dict] = []
        self.calls: list[str] = []
        self.faults: list[str | None] = []
        self.waits: list[int] = []
        self.reasons: list[str] = []

    def _call(self, name: str, effect):
        """Count the call; fail it before or after its effect if that is its fate."""
        self.calls.append(name)
        fault = self.faults.pop(0) if self.faults else None
        if fault == "before":
            raise ExternalUnavailable(name, "answered 500")
        answer = effect()
        if fault == "after":
            raise ExternalUnavailable(name, "no answer", timed_out=True)
        return answer

    def read_order(self, service, method, path, *, timeout):
        assert (service, method, path) == ("orders", "GET", f"/v1/internal/orders/{NUMBER}")
        return self._call("order", lambda: self.orders_answer or Answer(200, self.order))

    def provider(self, system, method, *path, timeout, body=None, headers=None):
        assert system == "payments"
        if method == "GET":
            return self._call("find", lambda: self._found(path[1]))
        return self._call("charge", lambda: self._charge(headers["Idempotency-Key"], body))

    def _found(self, key: str) -> Answer:
        return Answer(200, self.charges[key]) if key in self.charges else Answer(404, {})

    def _charge(self, key: str, body: dict) -> Answer:
        if body["payment_token"] not in TOKENS:
            return Answer(422, {"code": "UNKNOWN_TOKEN"})
        if key in self.charges:
            return Answer(200, self.charges[key])
        self.effects += 1
        self.charges[key] = {
            "charge_id": "ch-1",
            "status": TOKENS[body["payment_token"]],
            "amount": body["amount"],
            "currency": body["currency"],
        }
        return Answer(201, self.charges[key])

    def put_events(self, Entries):
        return self._call("publish", lambda: self._publish(Entries))

    def change_message_visibility(self, QueueUrl, ReceiptHandle, VisibilityTimeout):
        self.waits.append(VisibilityTimeout)

    def send_message(self, QueueUrl, MessageBody, MessageAttributes):
        self.reasons.append(MessageAttributes["reason"]["StringValue"])

    def _publish(self, entries: list[dict]) -> dict:
        self.published += [json.loads(entry["Detail"])["event"] for entry in entries]
        return {"Entries": [{} for _ in entries]}

    def deliver(self, receive_count: int = 1) -> bool:
        """One delivery of Order submit; is the record done?"""
        event = json.loads(json.dumps(SUBMIT))
        event["Records"][0]["attributes"]["ApproximateReceiveCount"] = str(receive_count)
        answer = importlib.import_module("payments.handlers.authorize_payment").handler(event, CONTEXT)
        return answer["batchItemFailures"] == []


@pytest.fixture
def world(monkeypatch) -> World:
    world = World()
    monkeypatch.setattr(requests.signed_client, "call", world.read_order)
    monkeypatch.setattr(clients.external, "call", world.provider)
    monkeypatch.setattr(events, "client", lambda _: world)
    monkeypatch.setattr(sqs_consumer, "client", lambda _: world)
    monkeypatch.setenv("QUEUE_URL", "https://sqs.eu-central-1.amazonaws.com/000000000000/submitted")
    monkeypatch.setenv("DEAD_LETTER_QUEUE_URL", "https://sqs.eu-central-1.amazonaws.com/000000000000/submitted-dlq")
    monkeypatch.setenv("EVENT_BUS_NAME", "checkout-bus")
    monkeypatch.setenv("EVENT_BUS_ARN", "arn:aws:events:eu-central-1:000000000000:event-bus/checkout-bus")
    return world


@pytest.mark.parametrize(
    ("charge", "refused", "reason"),
    [
        ({"charge_id": "ch-9", "status": "authorized", "amount": 1, "currency": "EUR"}, None, "CHARGE_DIFFERS"),
        (None, Answer(400, {"code": "INVALID_REQUEST"}), "CHARGE_REFUSED"),
    ],
)
def test_what_no_repeat_can_settle_is_a_dead_letter_and_orders_is_told(
    world, monkeypatch, charge, refused, reason: str
):
    if charge:
        world.charges[NUMBER] = charge
    if refused:
        monkeypatch.setattr(world, "_charge", lambda key, body: refused)
    for _ in range(2):
        assert world.deliver()
    assert world.reasons == [reason] * 2
    first, again = world.published
    assert (first["meta_data"]["status"], first["data"]["reason_code"]) == ("REJECTED", reason)
    assert first["meta_data"]["event_id"] == again["meta_data"]["event_id"]


def kinds(world: World) -> list[str]:
    return [event["meta_data"]["status"] for event in world.published]


def test_an_order_is_charged_and_the_bus_told(world):
    assert world.deliver()
    assert world.calls == ["order", "find", "charge", "publish"]
    (event,) = world.published
    assert event["data"] == {
        "order_number": NUMBER,
        "customer_id": "C100000001",
        "charge_id": "ch-1",
        "amount": 7998,
        "currency": "EUR",
    }
    assert event["meta_data"]["correlation_id"] == SUBMIT_META["correlation_id"]
    assert event["meta_data"]["causation_id"] == SUBMIT_META["event_id"]


@pytest.mark.parametrize(("token", "reason"), [("tok_declined", "CARD_DECLINED"), ("tok_forged", "UNKNOWN_TOKEN")])
def test_a_refused_card_is_a_result_and_no_failure(world, token, reason):
    world.order["payment_token"] = token
    assert world.deliver()
    assert kinds(world) == ["DECLINED"]
    assert world.published[0]["data"]["reason_code"] == reason


@pytest.mark.parametrize("token", ["tok_ok", "tok_declined", "tok_forged"])
def test_a_repeated_delivery_tells_the_same_result_with_the_same_id(world, token):
    world.order["payment_token"] = token
    assert world.deliver()
    assert world.deliver()
    first, second = (event["meta_data"]["event_id"] for event in world.published)
    assert first == second
    assert world.effects <= 1


def test_a_result_has_one_id_though_the_answer_of_the_bus_was_lost(world, monkeypatch):
    repeat(monkeypatch, world, "put_events")
    assert world.deliver()
    first, again = world.published
    assert first == again


def test_after_a_time_out_the_record_is_read_before_anything_else(world):
    world.faults = [None, None, "after"]
    assert world.deliver()
    assert world.calls == ["order", "find", "charge", "find", "publish"]
    assert (world.effects, kinds(world)) == (1, ["AUTHORIZED"])


def test_what_was_not_charged_is_charged_at_the_second_attempt(world):
    world.faults = [None, None, "before"]
    assert world.deliver()
    assert world.calls == ["order", "find", "charge", "find", "charge", "publish"]
    assert (world.effects, kinds(world)) == (1, ["AUTHORIZED"])


class SlowProvider(World):
    """A provider that takes a token once and judges it before the key, and whose first charge is made some deliveries later."""

    asked = 0

    def _charge(self, key: str, body: dict) -> Answer:
        self.asked += 1
        if self.asked == 1:
            raise ExternalUnavailable("payments", "no answer within 3.0 s", timed_out=True)
        return Answer(422, {"code": "TOKEN_USED"})

    def finish(self) -> None:
        super()._charge(NUMBER, {"payment_token": "tok_ok", "amount": 7998, "currency": "EUR"})


@pytest.mark.parametrize("deliveries", range(1, 7))
def test_a_refusal_is_no_result_while_the_first_charge_may_be_under_way(world, deliveries):
    """Card declined is final: a charge that is authorized afterwards would not be looked at again."""
    world.__class__ = SlowProvider
    for delivery in range(1, deliveries + 1):
        assert not world.deliver(delivery)
    assert world.published == []
    world.finish()
    assert world.deliver(deliveries + 1)
    assert (world.effects, kinds(world)) == (1, ["AUTHORIZED"])


@pytest.mark.parametrize("answer", [Answer(422, {}), Answer(400, {})])
def test_a_refusal_is_a_result_once_no_charge_can_be_under_way(world, monkeypatch, answer):
    world.faults = [None, None, "before"]
    monkeypatch.setattr(world, "_charge", lambda key, body: answer)
    assert [world.deliver(delivery) for delivery in range(1, 8)] == [False] * 6 + [True]
    assert sum(world.waits) == 126
    assert kinds(world) == ["DECLINED" if answer.status == 422 else "REJECTED"]


def test_before_a_charge_counts_as_settled_its_message_waited_a_minute():
    assert backoff.backoff_seconds(clients.SETTLED_RECEIVES - 1) >= 60


def test_a_failed_order_is_looked_at_again_until_no_charge_can_be_under_way(world):
    """Another copy of the message has told that the payment is declined; this one got no answer to its charge."""
    world.__class__ = SlowProvider
    assert not world.deliver()
    world.order["backend_status"] = "Card declined"
    assert not world.deliver(2)
    world.finish()
    assert world.deliver(3)
    assert (world.reasons, world.published) == (["CHARGED_AFTER_FAILURE"], [])


CALLS = ("order", "find", "charge", "publish")


@pytest.mark.parametrize(("position", "when"), list(product(range(len(CALLS)), ("before", "after"))))
def test_a_failure_at_any_call_ends_in_one_charge_and_one_result(world, position, when):
    world.faults = [None] * position + [when]
    deliveries = 1
    while not world.deliver(deliveries):
        deliveries += 1
    assert deliveries <= 2
    assert world.effects == 1
    assert set(kinds(world)) == {"AUTHORIZED"}
    assert len({event["meta_data"]["event_id"] for event in world.published}) == 1


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from([None, "before", "after"]), max_size=30), st.integers(1, 4))
def test_whatever_fails_and_however_often_it_is_delivered_there_is_one_charge(world, faults, extra):
    world.__init__()
    world.faults = list(faults)
    while not world.deliver():
        assert world.effects <= 1
    for _ in range(extra):
        world.deliver()
    assert world.effects == 1
    assert len({event["meta_data"]["event_id"] for event in world.published}) == 1


@pytest.mark.parametrize("status", ["Validation failed", "Card declined", "Payment authorized", "Sent to fulfillment"])
def test_an_order_that_needs_no_payment_is_not_charged(world, status):
    world.order["backend_status"] = status
    assert world.deliver()
    assert (world.effects, world.published) == (0, [])


@pytest.mark.parametrize("status", [401, 403, 302])
def test_orders_that_cannot_be_read_are_asked_for_again(world, status):
    world.orders_answer = Answer(status, {})
    assert not world.deliver()
    assert world.calls == ["order"]


def test_the_waits_between_deliveries_grow(world):
    world.faults = ["before"] * 3
    assert [world.deliver(receive_count) for receive_count in (1, 2, 3)] == [False] * 3
    assert world.waits == [2, 4, 8]


@pytest.mark.parametrize("body", [None, [], {}, {"customer_id": "C1"}])
def test_what_is_no_order_is_not_charged(world, body):
    world.orders_answer = Answer(200, body)
    assert not world.deliver()
    assert world.effects == 0


@pytest.mark.parametrize("charge", [None, [], {}, {"charge_id": "ch-1"}])
def test_what_is_no_charge_is_no_result(world, charge):
    world.charges[NUMBER] = charge
    assert not world.deliver()
    assert world.published == []


def test_a_charge_of_unknown_status_is_no_result(world):
    world.charges[NUMBER] = {"charge_id": "ch-1", "status": "pending", "amount": 7998, "currency": "EUR"}
    assert not world.deliver()
    assert world.published == []


@pytest.mark.parametrize("status", [404, 410])
def test_an_unknown_order_is_parked(world, status):
    world.orders_answer = Answer(status, {})
    assert world.deliver()
    assert (world.reasons, world.effects) == (["UNKNOWN_ORDER"], 0)


def test_a_charge_over_another_amount_is_parked(world):
    world.charges[NUMBER] = {"charge_id": "ch-1", "status": "authorized", "amount": 1, "currency": "EUR"}
    assert world.deliver()
    assert (world.reasons, kinds(world)) == (["CHARGE_DIFFERS"], ["REJECTED"])


def test_money_held_for_a_failed_order_is_parked(world):
    assert world.deliver()
    world.order["backend_status"] = "Validation failed"
    assert world.deliver()
    assert (world.reasons, len(world.published)) == (["CHARGED_AFTER_FAILURE"], 1)


def test_a_charge_that_the_provider_refuses_is_parked(world, monkeypatch):
    monkeypatch.setattr(world, "_charge", lambda key, body: Answer(400, {}))
    assert world.deliver()
    assert (world.reasons, kinds(world)) == (["CHARGE_REFUSED"], ["REJECTED"])


def test_a_key_in_use_is_looked_up_and_not_charged_again(world, monkeypatch):
    monkeypatch.setattr(world, "_charge", lambda key, body: Answer(409, {}))
    assert not world.deliver()
    assert world.calls == ["order", "find", "charge", "find", "charge"]
    assert world.published == []


def test_the_token_goes_to_the_provider_only(world, capsys):
    assert world.deliver()
    assert "tok_ok" not in json.dumps(world.published)
    assert "tok_ok" not in capsys.readouterr().out


def test_all_calls_fit_into_the_functions_time():
    first = requests.READ_SECONDS + clients.FIND_SECONDS + clients.CHARGE_SECONDS
    assert first + clients.FIND_SECONDS <= importlib.import_module("payments.handlers.authorize_payment").SECONDS


def test_the_sample_is_an_order_submit():
    schema = json.loads((ROOT / "schemas" / "events" / "checkout.order.submit.json").read_text())
    Draft202012Validator(schema).validate(json.loads(SUBMIT["Records"][0]["body"])["detail"])

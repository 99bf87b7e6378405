"""An order from the request to its end, with a crash or a failure at every call there is, and again with several of them.

The table is moto's, so that conditions are DynamoDB's; queues, bus, payments, partners and the clock are this module's own.
"""

import json
from collections import Counter
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from moto import mock_aws
from moto.core import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends

from local.settings import ROOT
from orders import events as order_events
from orders import repository
from orders.domain.statuses import STATUSES
from orders.handlers import complete_order, fail_dead_letter, process_order, retry_stuck_orders, submit_order
from setpieces import aws, dynamodb, events, external, signed_client, sqs_consumer
from setpieces.dynamodb_types import from_item
from setpieces.errors import ExternalUnavailable
from setpieces.events import Event, derived_id
from setpieces.external import Answer
from tests.faults import refused, server_error
from tests.lambda_events import CONTEXT
from tests.unit.interleave import meanwhile
from tests.unit.lost_answers import repeat

BASKET = {
    "items": [{"sku": "SP-1", "quantity": 2, "unit_price": 1999, "note": "not ours"}],
    "totals": {"amount": 3998, "currency": "EUR"},
}
PRODUCT = {
    "sku": "SP-1",
    "unit_price": 1999,
    "currency": "EUR",
    "available": True,
    "status": "active",
    "stock": 2,
    "max_per_customer": 2,
}
QUOTATION = {"tax_total": 760, "lines": [], "source": "quotation", "rate_version": "v", "quoted_at": "2026-01-01"}
SUBMIT = json.loads((ROOT / "events" / "orders" / "submit_order.json").read_text())
FIRST_NUMBER = 100_000_001
RECEIVES = 8
FATES = ("crash before", "crash after", "error before", "error after")
ENVIRONMENT = {
    "AWS_DEFAULT_REGION": "eu-central-1",
    "TABLE_NAME": "orders",
    "ORDER_DAYS": "30",
    "STUCK_MINUTES": "5",
    "SUBMIT_QUEUE_URL": "submit",
    "QUEUE_URL": "own",
    "DEAD_LETTER_QUEUE_URL": "dead",
    "PARKED_QUEUE_URL": "parked",
    "EVENT_BUS_NAME": "checkout-bus",
    "EVENT_BUS_ARN": "arn",
}


REAL_CLIENT = aws.client
HANDLERS = {
    "process_order": process_order.handler,
    "complete_order": complete_order.handler,
    "fail_dead_letter": fail_dead_letter.handler,
}


class Crash(BaseException):
    """The process is gone; nothing in it can catch this."""


class FaultyClient:
    """A client whose every call may crash or fail, before or after its effect."""

    def __init__(self, world: "World", real: Any, name: str) -> None:
        self._world, self._real, self._name = world, real, name

    def __getattr__(self, operation: str) -> Any:
        real = getattr(self._real, operation)
        if not callable(real):
            return real
        error = server_error(operation)
        return lambda **sent: self._world.call(f"{self._name}:{operation}", lambda: real(**sent), error)


class World:
    """Everything around the functions. ``faults`` says what becomes of the n-th call of the run."""

    def __init__(self) -> None:
        self.now = 1_800_000_000
        self.faults: dict[int, str] = {}
        self.calls: list[str] = []
        self.numbers = iter(range(FIRST_NUMBER, FIRST_NUMBER + 100))
        self.basket: Answer = Answer(200, BASKET)
        self.product: Answer = Answer(200, PRODUCT)
        self.quotation: Answer = Answer(200, QUOTATION)
        self.outcome = "AUTHORIZED"
        # Whose session the requests come in; "" for a guest.
        self.customer = ""
        self.queues: dict[str, list[dict[str, Any]]] = {"submit": [], "dead": [], "parked": [], "payment": []}
        self.published: list[Event] = []
        self.charged: dict[str, Event] = {}
        self.platform: dict[str, list[dict[str, Any]]] = {}
        self.shown: dict[str, list[str]] = {}

    def call(self, name: str, effect: Any, error: Exception) -> Any:
        fate = self.faults.get(len(self.calls), "")
        self.calls.append(name)
        failure = Crash() if fate.startswith("crash") else error
        if fate.endswith("before"):
            raise failure
        try:
            answer = effect()
        finally:
            self._look()
        if fate.endswith("after"):
            raise failure
        return answer

    def _look(self) -> None:
        """What anybody who polled now would see: items as moto stores them, since a scan costs more than the call itself."""
        for item in dynamodb_backends[DEFAULT_ACCOUNT_ID]["eu-central-1"].get_table("orders").all_items():
            if "backend_status" in item.attrs:
                status = STATUSES[item.attrs["backend_status"].value].public
                seen = self.shown.setdefault(item.attrs["order_number"].value, [])
                if seen[-1:] != [status]:
                    seen.append(status)

    # --- what the functions call ---

    def client(self, service: Any) -> Any:
        real = {"sqs": self, "events": self}.get(service) or REAL_CLIENT(service)
        return FaultyClient(self, real, service)

    def send_message(self, QueueUrl: str, MessageBody: str, MessageAttributes: Any = None) -> None:
        attributes = {name: {"stringValue": each["StringValue"]} for name, each in (MessageAttributes or {}).items()}
        self.queues[QueueUrl].append({"body": MessageBody, "attributes": attributes, "receives": 0})

    def change_message_visibility(self, **_: Any) -> None:
        """Time does not matter to these queues."""

    def put_events(self, Entries: list[dict[str, Any]]) -> dict[str, Any]:
        for entry in Entries:
            event = events.parse(json.loads(entry["Detail"]))
            self.published.append(event)
            if event.kind[1:] == ("ORDER", "SUBMIT"):
                self._pay(event)
        return {"Entries": [{} for _ in Entries]}

    def _pay(self, submit: Event) -> None:
        """As the payments service: one charge per order, and the same result with the same id whenever it is asked again."""
        number = submit.data["order_number"]
        order = order_item(number)
        assert order["backend_status"] != "Validating", "payments would read an order without an amount"
        data = {"order_number": number, "customer_id": order["customer_id"]}
        if self.outcome == "AUTHORIZED":
            data |= {"charge_id": "ch-1", "amount": order["amount"], "currency": order["currency"]}
        else:
            data |= {"reason_code": {"DECLINED": "CARD_DECLINED", "REJECTED": "CHARGE_DIFFERS"}[self.outcome]}
        kind = ("CHECKOUT", "PAYMENT", self.outcome)
        result = Event(kind, data, derived_id("payment", number), submit.correlation_id, submit.event_id)
        self.charged[number] = result
        body = json.dumps({"detail": result.detail()})
        self.queues["payment"].append({"body": body, "attributes": {}, "receives": 0})

    def internal(self, service: str, method: str, path: str, *, body: Any = None, **options: Any) -> Answer:
        down = ExternalUnavailable(service, "no answer", timed_out=True)
        answers = {
            "sequences": lambda: Answer(200, {"value": (number := next(self.numbers)), "formatted": f"T{number}"}),
            "basket": lambda: self.basket,
            "tax": lambda: self.quotation,
        }
        return self.call(service, answers[service], down)

    def outside(self, system: str, method: str, *path: str, body: Any = None, timeout: float) -> Answer:
        if system == "payments":
            assert (method, path[0]) == ("GET", "charges")
            return self.call("payments", lambda: self._charge(path[1]), ExternalUnavailable("payments", "no answer"))
        if method == "GET":
            assert (system, path) == ("commerce", ("products", "SP-1"))
            return self.call("products", lambda: self.product, ExternalUnavailable("commerce", "no answer"))
        assert (system, method, path[0]) == ("commerce", "PUT", "orders")

        def put() -> Answer:
            stored = self.platform.setdefault(path[1], [])
            if stored and stored[0] != body:
                return Answer(409, {})
            stored.append(body)
            return Answer(201 if len(stored) == 1 else 200, body)

        return self.call("commerce", put, ExternalUnavailable("commerce", "no answer", timed_out=True))

    def _charge(self, number: str) -> Answer:
        """The provider's record. An authorized payment that no charge of the run is behind is somebody's invention."""
        if number not in self.charged:
            return Answer(404, {})
        data = self.charged[number].data
        return Answer(
            200, {"status": "authorized", **{name: data[name] for name in ("charge_id", "amount", "currency")}}
        )

    # --- what drives the functions ---

    def submit(self, customer: str | None = None, **changes: Any) -> dict[str, Any]:
        """One request, in the session of ``customer`` or a guest's; a crash is a 502 of the gateway."""
        event = json.loads(json.dumps(SUBMIT))
        event["requestContext"]["authorizer"]["customer_id"] = self.customer if customer is None else customer
        event["body"] = json.dumps(json.loads(event["body"]) | changes)
        try:
            return submit_order.handler(event, CONTEXT)
        except Crash:
            return {"statusCode": 502, "body": "{}"}

    def submit_persistently(self) -> str:
        """The order number, as a client gets it that asks again with the same key until it is answered."""
        for _ in range(6):
            answer = self.submit()
            assert answer["statusCode"] in (202, 502, 503), answer
            if answer["statusCode"] == 202:
                return json.loads(answer["body"])["order_number"]
        raise AssertionError("never accepted")

    def deliver(self, queue: str, function: str) -> bool:
        """The first message of a queue, once; False if there was none."""
        if not self.queues[queue]:
            return False
        message = self.queues[queue].pop(0)
        message["receives"] += 1
        record = {
            "messageId": "m",
            "receiptHandle": "r",
            "body": message["body"],
            "messageAttributes": message["attributes"],
            "attributes": {"ApproximateReceiveCount": str(message["receives"])},
        }
        try:
            failed = HANDLERS[function]({"Records": [record]}, CONTEXT)
            done = not failed["batchItemFailures"]
        except Crash:
            done = False
        if not done:
            given_up = message["receives"] >= RECEIVES and queue == "submit"
            self.queues["dead" if given_up else queue].append(message | ({"receives": 0} if given_up else {}))
        return True

    def run(self) -> None:
        """Deliver until all queues are empty."""
        for _ in range(200):
            if not any(
                [
                    self.deliver("submit", "process_order"),
                    self.deliver("payment", "complete_order"),
                    self.deliver("dead", "fail_dead_letter"),
                ]
            ):
                return
        raise AssertionError("it never comes to rest")

    def sweep(self) -> None:
        """Ten minutes later."""
        self.minute(10)

    def minute(self, minutes: int = 1) -> None:
        self.now += 60 * minutes
        try:
            retry_stuck_orders.handler({}, CONTEXT)
        except (Crash, ClientError):
            return


def order_item(number: str) -> dict[str, Any]:
    found = from_item(REAL_CLIENT("dynamodb").get_item(TableName="orders", Key={"order_number": {"S": number}})["Item"])
    return found


@pytest.fixture
def make_world(monkeypatch: pytest.MonkeyPatch):
    """Makes worlds, each with an empty table."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    REAL_CLIENT.cache_clear()
    with mock_aws():

        def make() -> World:
            table, world = REAL_CLIENT("dynamodb"), World()
            if table.list_tables()["TableNames"]:
                table.delete_table(TableName="orders")
            table.create_table(**TABLE)
            for module in (order_events, events, sqs_consumer, fail_dead_letter):
                monkeypatch.setattr(module, "client", world.client)
            monkeypatch.setattr(dynamodb.aws, "client", world.client)
            monkeypatch.setattr(signed_client, "call", world.internal)
            monkeypatch.setattr(external, "call", world.outside)
            monkeypatch.setattr(repository.time, "time", lambda: world.now)
            return world

        yield make
    REAL_CLIENT.cache_clear()


TABLE: dict[str, Any] = {
    "TableName": "orders",
    "AttributeDefinitions": [
        {"AttributeName": "order_number", "AttributeType": "S"},
        {"AttributeName": "in_progress", "AttributeType": "S"},
        {"AttributeName": "check_at", "AttributeType": "N"},
    ],
    "KeySchema": [{"AttributeName": "order_number", "KeyType": "HASH"}],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": "in-progress",
            "KeySchema": [
                {"AttributeName": "in_progress", "KeyType": "HASH"},
                {"AttributeName": "check_at", "KeyType": "RANGE"},
            ],
            "Projection": {"ProjectionType": "ALL"},
        }
    ],
    "BillingMode": "PAY_PER_REQUEST",
}


def whole_life(world: World) -> str:
    """From the request to rest, with the sweeper as often as it takes."""
    number = world.submit_persistently()
    world.run()
    for _ in range(4):
        if "in_progress" not in order_item(number):
            break
        world.sweep()
        world.run()
    return number


def check(world: World, number: str, status: str) -> None:
    """One order, in ``status``, that was never seen to go back, and whose effects are one each."""
    assert order_item(number)["backend_status"] == status
    assert list(world.shown) == [number], "an order that nobody was told of"
    assert world.shown[number] == ["Processing", STATUSES[status].public]
    ids = {event.kind: event.event_id for event in world.published}
    assert all(event.event_id == ids[event.kind] for event in world.published)
    assert {event.correlation_id for event in world.published} <= {"sample-1"}
    complete = status == "Sent to fulfillment"
    assert len({json.dumps(each, sort_keys=True) for each in world.platform.get(number, [])}) == complete
    assert (("CHECKOUT", "ORDER", "COMPLETE") in ids) == complete


def test_an_order_takes_no_more_calls_than_it_needs(make_world):
    world = make_world()
    number = whole_life(world)
    check(world, number, "Sent to fulfillment")
    assert world.calls == [
        "dynamodb:get_item",
        "basket",
        "sequences",
        "dynamodb:transact_write_items",
        "sqs:send_message",
        "dynamodb:get_item",
        "basket",
        "products",
        "tax",
        "dynamodb:update_item",
        "events:put_events",
        "dynamodb:get_item",
        "payments",
        "dynamodb:update_item",
        "commerce",
        "events:put_events",
        "dynamodb:update_item",
    ]
    (platform,) = world.platform[number]
    assert platform["lines"] == [{"sku": "SP-1", "quantity": 2, "unit_price": 1999}]
    assert platform["totals"] == {"subtotal": 3998, "tax": 760, "amount": 4758, "currency": "EUR"}
    assert platform["tax"] == {"source": "quotation", "rate_version": "v"}


CALLS = 17


@pytest.mark.parametrize("fate", FATES)
@pytest.mark.parametrize("position", range(CALLS))
def test_one_failure_anywhere_loses_and_doubles_nothing(make_world, position: int, fate: str):
    world = make_world()
    world.faults = {position: fate}
    check(world, whole_life(world), "Sent to fulfillment")
    assert world.queues == {"submit": [], "dead": [], "parked": [], "payment": []}


@pytest.mark.parametrize("position", range(CALLS))
def test_nor_does_it_when_the_card_is_declined(make_world, position: int):
    world = make_world()
    world.outcome, world.faults = "DECLINED", {position: "crash after"}
    number = whole_life(world)
    check(world, number, "Card declined")
    assert order_item(number)["reason_code"] == "PAYMENT_DECLINED"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(faults=st.dictionaries(st.integers(0, 40), st.sampled_from(FATES), max_size=6), data=st.data())
def test_many_failures_repeats_and_another_order_of_messages_neither(make_world, faults: dict[int, str], data):
    """What is delivered next, and whether it is delivered again later, is drawn; results of payments come twice."""
    world = make_world()
    world.faults = faults
    number = world.submit_persistently()
    for _ in range(12):
        queue = data.draw(st.sampled_from(["submit", "payment", "dead"]))
        messages = world.queues[queue]
        if messages and queue != "dead" and data.draw(st.booleans()):
            messages.append(messages[0] | {"receives": 0})
        world.deliver(
            queue, {"submit": "process_order", "payment": "complete_order", "dead": "fail_dead_letter"}[queue]
        )
    world.faults = {}
    world.run()
    world.sweep()
    world.run()
    check(world, number, "Sent to fulfillment")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"basket": Answer(404, {})}, "BASKET_NOT_FOUND"),
        ({"basket": Answer(200, BASKET | {"items": []})}, "EMPTY_BASKET"),
        ({"product": Answer(404, {})}, "PRODUCT_UNAVAILABLE"),
        ({"product": Answer(200, PRODUCT | {"available": False})}, "PRODUCT_UNAVAILABLE"),
        ({"product": Answer(200, PRODUCT | {"status": "retired"})}, "PRODUCT_UNAVAILABLE"),
        ({"product": Answer(200, PRODUCT | {"stock": 1})}, "PRODUCT_UNAVAILABLE"),
        ({"product": Answer(200, PRODUCT | {"unit_price": 2000})}, "PRICE_CHANGED"),
        ({"product": Answer(200, PRODUCT | {"unit_price": 1})}, "PRICE_CHANGED"),
        ({"product": Answer(200, PRODUCT | {"currency": "CHF"})}, "PRICE_CHANGED"),
        ({"product": Answer(200, PRODUCT | {"max_per_customer": 1})}, "QUANTITY_LIMIT"),
        ({"quotation": Answer(422, {})}, "UNSUPPORTED_DESTINATION"),
    ],
)
def test_what_cannot_be_carried_out_fails_and_is_never_paid(make_world, changes: dict[str, Any], reason: str):
    world = make_world()
    vars(world).update(changes, customer="C000000001")
    number = whole_life(world)
    check(world, number, "Validation failed")
    assert order_item(number)["reason_code"] == reason
    assert "payment_token" not in order_item(number)
    assert world.published == []


@pytest.mark.parametrize("answer", [Answer(500, {}), Answer(200, []), Answer(200, {"unit_price": "1"}), None])
def test_without_an_answer_about_products_the_prices_of_the_basket_are_taken(make_world, capsys, answer: Answer | None):
    world = make_world()
    if answer:
        world.product = answer
    else:
        world.faults = {7: "error before"}
    check(world, whole_life(world), "Sent to fulfillment")
    assert '"ProductsUnchecked":[1.0]' in capsys.readouterr().out


@pytest.mark.parametrize("customer", ["", "C000000001"])
@pytest.mark.parametrize("status", ["Sent to fulfillment", "Card declined"])
def test_every_write_may_be_done_twice_because_its_answer_was_lost(make_world, monkeypatch, customer: str, status: str):
    world = make_world()
    world.customer = customer
    world.outcome = "AUTHORIZED" if status == "Sent to fulfillment" else "DECLINED"
    for write in ("transact_write_items", "update_item"):
        repeat(monkeypatch, REAL_CLIENT("dynamodb"), write)
    check(world, whole_life(world), status)
    assert len(world.charged) == 1


def test_a_redrive_goes_on_though_the_answer_to_reopening_was_lost(make_world, monkeypatch):
    world = make_world()
    world.basket = Answer(500, {})
    number = world.submit_persistently()
    world.run()
    (parked,) = world.queues["parked"]
    world.basket = Answer(200, BASKET)
    repeat(monkeypatch, REAL_CLIENT("dynamodb"), "update_item")
    world.queues["submit"].append(parked | {"receives": 0})
    world.run()
    assert order_item(number)["backend_status"] == "Sent to fulfillment"


def test_an_order_that_cannot_be_validated_is_given_up_parked_and_put_back(make_world):
    world = make_world()
    world.basket = Answer(500, {})
    number = world.submit_persistently()
    world.run()
    assert order_item(number)["reason_code"] == "PROCESSING_FAILED"
    assert order_item(number)["payment_token"] == "tok_ok", "a redrive has it paid"
    (parked,) = world.queues["parked"]
    world.basket = Answer(200, BASKET)
    # A late copy of the message that was given up changes nothing.
    world.queues["submit"].append(parked | {"body": json.dumps({"order_number": number}), "receives": 0})
    world.run()
    assert world.shown[number] == ["Processing", "Failed"]
    world.queues["submit"].append(parked | {"receives": 0})
    world.run()
    assert world.shown[number] == ["Processing", "Failed", "Processing", "Complete"]
    assert len(world.charged) == 1


@pytest.mark.parametrize("status", ["Card declined", "Validation failed"])
def test_money_that_is_held_for_a_failed_order_is_for_a_person_to_see(make_world, status: str):
    world = make_world()
    world.outcome = "DECLINED"
    if status == "Validation failed":
        world.basket, world.customer = Answer(404, {}), "C000000001"
    number = whole_life(world)
    data = {"order_number": number, "customer_id": "C000000001", "charge_id": "ch-9", "amount": 1, "currency": "EUR"}
    late = Event(("CHECKOUT", "PAYMENT", "AUTHORIZED"), data, correlation_id="sample-1")
    body = json.dumps({"detail": late.detail()})
    world.queues["payment"].append({"body": body, "attributes": {}, "receives": 0})
    world.deliver("payment", "complete_order")
    (dead,) = world.queues["dead"]
    assert dead["attributes"]["reason"]["stringValue"] == "AUTHORIZED_AFTER_FAILURE"
    assert "ch-9" in dead["attributes"]["detail"]["stringValue"]
    check(world, number, status)


def test_an_order_whose_payment_is_rejected_is_asked_for_no_more(make_world):
    world = make_world()
    world.outcome = "REJECTED"
    number = world.submit_persistently()
    for _ in range(3):
        world.run()
        world.sweep()
    order = order_item(number)
    assert (order["backend_status"], order["rejected_reason"]) == ("Payment processing", "CHARGE_DIFFERS")
    assert (order["in_progress"], order["payment_token"]) == ("rejected", "tok_ok")
    assert [event.kind[2] for event in world.published] == ["SUBMIT"]
    # A person has corrected the cause and redriven Order submit from the dead letters of payments.
    world.outcome = "AUTHORIZED"
    world._pay(world.published[0])
    world.run()
    check(world, number, "Sent to fulfillment")


def differing(world: World) -> str:
    """A paid order whose number the commerce platform has with another content."""
    number = world.submit_persistently()
    world.platform[number] = [{"another": "order"}]
    for _ in range(3):
        world.run()
        world.sweep()
    world.run()
    return number


def test_a_paid_order_that_the_platform_refuses_is_rejected_once_and_waits_for_a_person(make_world):
    world = make_world()
    number = differing(world)
    order = order_item(number)
    assert (order["backend_status"], order["rejected_reason"]) == ("Payment authorized", "ORDER_DIFFERS")
    # Its customer still sees Processing; it is neither swept nor removed.
    assert (world.shown[number], order["expires_at"]) == (["Processing"], repository.NEVER)
    (dead,) = world.queues["dead"] + world.queues["parked"]
    assert dead["attributes"]["reason"]["stringValue"] == "ORDER_DIFFERS"
    # A late copy of its message does not ask the platform again.
    asked = world.calls.count("commerce")
    world.queues["submit"].append({"body": json.dumps({"order_number": number}), "attributes": {}, "receives": 0})
    world.run()
    assert world.calls.count("commerce") == asked


def test_a_rejected_order_is_completed_by_a_redrive_once_its_cause_is_gone(make_world):
    world = make_world()
    number = differing(world)
    world.platform.clear()
    redrive = {"order_number": number, "redrive": True}
    world.queues["submit"].append({"body": json.dumps(redrive), "attributes": {}, "receives": 0})
    world.run()
    assert order_item(number)["backend_status"] == "Sent to fulfillment"
    assert world.shown[number] == ["Processing", "Complete"]
    assert len(world.charged) == 1


def test_a_person_cancels_a_rejected_order_and_nothing_brings_it_back(make_world):
    world = make_world()
    number = differing(world)
    for asked in ({"cancel": True, "redrive": True}, {"redrive": True}, {}):
        message = {"order_number": number} | asked
        world.queues["submit"].append({"body": json.dumps(message), "attributes": {}, "receives": 0})
        world.run()
    order = order_item(number)
    assert (order["backend_status"], order["reason_code"]) == ("Cancelled", "PROCESSING_FAILED")
    assert world.shown[number] == ["Processing", "Failed"]


def test_an_outage_of_the_provider_does_not_fill_the_queues(make_world):
    """Each Order submit is worth nine deliveries of payments; one that is still being tried is not told again."""
    world = make_world()
    world._pay = lambda submit: None
    number = world.submit_persistently()
    told: list[int] = []
    for minute in range(6 * 60):
        before = len(world.published)
        world.run()
        told += [minute] * (len(world.published) - before)
        world.minute()
    assert told == [0, 10, 20, 40, 80, 140, 200, 260, 320]
    assert order_item(number)["sweeps"] == len(told) - 1


def test_an_order_whose_message_was_lost_is_processed_by_the_first_sweep(make_world):
    world = make_world()
    number = world.submit_persistently()
    world.queues["submit"].clear()
    for _ in range(6):
        world.minute()
    world.run()
    check(world, number, "Sent to fulfillment")


@pytest.mark.parametrize(
    "claim", [{"charge_id": "ch-9"}, {"amount": 1}, {"currency": "USD"}, {"status": "declined"}, None], ids=str
)
def test_a_payment_that_the_provider_does_not_hold_completes_nothing(make_world, claim: dict[str, Any] | None):
    """The event may be forged, or about another charge; ``claim`` is how the provider's record differs from it."""
    world = make_world()
    number = world.submit_persistently()
    world.deliver("submit", "process_order")
    (told,) = world.queues["payment"]
    paid = {"status": "authorized", **world.charged[number].data}
    record = Answer(404, {}) if claim is None else Answer(200, paid | claim)
    world._charge = lambda _: record
    for _ in range(3):
        world.deliver("payment", "complete_order")
        assert (len(world.queues["payment"]), world.queues["dead"]) == (1, []), "the record may come late"
    world.deliver("payment", "complete_order")
    (dead,) = world.queues["dead"]
    assert (dead["body"], dead["attributes"]["reason"]["stringValue"]) == (told["body"], "CHARGE_NOT_HELD")
    assert (order_item(number)["backend_status"], world.platform) == ("Payment processing", {})
    assert order_item(number)["payment_token"] == "tok_ok"


def test_the_payment_token_is_kept_no_longer_than_it_is_needed(make_world):
    world = make_world()
    number = world.submit_persistently()
    world.deliver("submit", "process_order")
    assert order_item(number)["payment_token"] == "tok_ok"
    world.run()
    assert "payment_token" not in order_item(number)


@pytest.mark.parametrize("number", ["tok_4242", ["tok_4242"], None])
def test_a_message_about_no_order_is_a_dead_letter_that_does_not_repeat_it(make_world, number: Any):
    world = make_world()
    world.queues["submit"].append({"body": json.dumps({"order_number": number}), "attributes": {}, "receives": 0})
    world.deliver("submit", "process_order")
    (dead,) = world.queues["dead"]
    assert dead["attributes"]["reason"]["stringValue"] == "UNKNOWN_ORDER"
    assert "tok_4242" not in dead["attributes"]["detail"]["stringValue"]


def test_an_order_whose_payment_was_asked_for_is_not_given_up(make_world):
    world = make_world()
    number = world.submit_persistently()
    world.deliver("submit", "process_order")
    world.queues["dead"].append({"body": json.dumps({"order_number": number}), "attributes": {}, "receives": 0})
    world.deliver("dead", "fail_dead_letter")
    assert world.shown[number] == ["Processing"]
    world.run()
    check(world, number, "Sent to fulfillment")


@pytest.mark.parametrize(
    ("basket", "code"),
    [(Answer(404, {}), "BASKET_NOT_FOUND"), (Answer(200, BASKET | {"items": []}), "EMPTY_BASKET")],
)
def test_a_guest_with_nothing_to_order_takes_no_number(make_world, basket: Answer, code: str):
    world = make_world()
    world.basket = basket
    answer = world.submit()
    assert (answer["statusCode"], json.loads(answer["body"])["code"]) == (422, code)
    assert (Counter(world.calls)["sequences"], world.shown) == (0, {})


def test_an_order_is_accepted_while_baskets_do_not_answer(make_world):
    world = make_world()
    world.faults = {1: "error before"}
    assert world.submit()["statusCode"] == 202
    world.run()
    assert list(world.shown.values()) == [["Processing", "Complete"]]


def test_a_repeat_is_answered_though_the_basket_is_gone_by_now(make_world):
    world = make_world()
    number = world.submit_persistently()
    world.basket = Answer(404, {})
    assert world.submit_persistently() == number


def test_the_share_of_used_order_numbers_is_a_metric(make_world, capsys):
    world = make_world()
    world.numbers = iter([500_000_000_000])
    number = json.loads(world.submit()["body"])["order_number"]
    assert number == "T500000000000"
    (level,) = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "OrderNumbersUsed" in line]
    assert level["OrderNumbersUsed"] == [pytest.approx(50)]


def test_the_same_key_with_another_order_is_refused_and_numbers_nothing(make_world):
    world = make_world()
    world.submit_persistently()
    answer = world.submit(payment_token="tok_other")
    assert (answer["statusCode"], json.loads(answer["body"])["code"]) == (409, "IDEMPOTENCY_KEY_REUSED")
    assert Counter(world.calls)["sequences"] == 1


GUEST = {"customer": "", "customer_id": "guest"}
MEMBER = {"customer": "C000000007", "customer_id": "C000000007"}


@pytest.mark.parametrize(
    ("first", "second"),
    [(GUEST, MEMBER), (MEMBER, GUEST), (MEMBER | {"customer": ""}, MEMBER), (MEMBER, MEMBER | {"customer": ""})],
)
def test_one_form_is_one_order_though_its_sender_signs_in_or_out_in_between(make_world, first: dict, second: dict):
    """The answer to the first request was lost; the browser sends the form again."""
    world = make_world()
    assert world.submit(**first)["statusCode"] == 202
    answer = world.submit(**second)
    assert (answer["statusCode"], json.loads(answer["body"])["code"]) == (409, "IDEMPOTENCY_KEY_REUSED")
    assert world.submit(**first)["statusCode"] == 202
    world.run()
    assert (len(world.shown), len(world.charged)) == (1, 1)


@pytest.mark.parametrize(("first", "second"), [(GUEST, MEMBER), (MEMBER, GUEST), (GUEST, GUEST)])
def test_one_form_is_one_order_while_its_first_request_is_under_way(make_world, monkeypatch, first: dict, second: dict):
    world = make_world()
    others = []
    meanwhile(monkeypatch, "TransactWriteItems", lambda: others.append(world.submit(**second)))
    answer = world.submit(**first)
    assert others[0]["statusCode"] == 202
    assert answer["statusCode"] == (202 if first == second else 409)
    assert len(world.shown) == 1


def test_guests_with_baskets_of_their_own_may_choose_the_same_key(make_world):
    world = make_world()
    numbers = [json.loads(world.submit(**GUEST, basket_id=basket)["body"])["order_number"] for basket in "ab"]
    assert len(set(numbers)) == 2


def test_a_customers_key_is_one_order_for_every_basket(make_world):
    world = make_world()
    answers = [world.submit(**MEMBER, basket_id=basket)["statusCode"] for basket in "ab"]
    assert answers == [202, 409]


@pytest.mark.parametrize(
    ("code", "reasons"),
    [
        ("TransactionCanceledException", ["ThrottlingError", "None"]),
        ("TransactionCanceledException", ["None", "ProvisionedThroughputExceeded"]),
        ("TransactionInProgressException", []),
    ],
)
def test_a_transaction_that_is_throttled_or_under_way_is_a_503(make_world, monkeypatch, code: str, reasons: list[str]):
    """DynamoDB answers 400, which the SDK does not repeat for a cancelled transaction; the client has to."""
    world = make_world()
    members: dict[str, Any] = {"CancellationReasons": [{"Code": reason} for reason in reasons]} if reasons else {}

    def refuse(**sent: Any) -> None:
        raise refused("TransactWriteItems", code, **members)

    with monkeypatch.context() as patch:
        patch.setattr(REAL_CLIENT("dynamodb"), "transact_write_items", refuse)
        response = world.submit()
    assert (response["statusCode"], response["headers"]["Retry-After"]) == (503, "2")
    assert world.submit()["statusCode"] == 202


def test_without_a_number_nothing_is_ordered(make_world):
    world = make_world()
    world.faults = {2: "error before"}
    answer = world.submit()
    assert (answer["statusCode"], answer["headers"]["Retry-After"]) == (503, "2")
    assert world.shown == {}

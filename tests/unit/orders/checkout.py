"""The orders service as deployed, among the services and external systems of a checkout.

Queues are lists, so that a test can repeat and reorder messages; consumers, receives and dead-letter queues are the template's.
"""

import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from botocore.exceptions import ClientError
from moto.core import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends

from model.settings import REGION
from orders.domain.statuses import STATUSES
from setpieces import events
from setpieces.dynamodb_types import from_item
from setpieces.errors import ExternalUnavailable
from setpieces.events import Event, derived_id
from setpieces.external import Answer
from tests.deployed import queues
from tests.faults import Crash, Faults
from tests.service import Response, Service
from tests.unit.orders.data import (
    BASKET,
    CORRELATION_ID,
    IDEMPOTENCY_KEY,
    NEW_ORDER,
    PRICE,
    PRODUCT,
    QUOTATION,
    REQUEST,
    Clock,
)

SUBMIT, SUBMIT_DEAD_LETTERS, PARKED = "SubmitQueue", "SubmitDeadLetters", "ParkedQueue"
PAYMENT, PAYMENT_DEAD_LETTERS = "PaymentQueue", "PaymentDeadLetters"
QUEUES = {name.removeprefix("orders."): queue for name, queue in queues("orders").items()}
CONSUMED = [name for name, queue in QUEUES.items() if queue.consumer]
FIRST_NUMBER = 100_000_001
REASONS_BY_RESULT = {"DECLINED": "CARD_DECLINED", "REJECTED": "CHARGE_DIFFERS"}


@dataclass
class Message:
    """A message of a queue, and how many times it was received."""

    body: str
    attributes: dict[str, str] = field(default_factory=dict)
    receive_count: int = 0

    def copy(self) -> "Message":
        """The message as it was sent."""
        return replace(self, receive_count=0)


class Checkout:
    """The responses of other systems are attributes, which a test may change; an exception is raised instead.

    ``payment_result`` is the status that payments publishes for an order, None while payments is down. ``charge`` replaces the
    payment provider's record of a charge. ``customer`` is the session that requests come in, "" for a guest.
    """

    def __init__(self, service: Service, faults: Faults, clock: Clock) -> None:
        self.service, self.faults, self.clock = service, faults, clock
        self._queue_names = {service.name(name): name for name in QUEUES}
        self.start()

    def start(self) -> None:
        """Begin without orders, messages and faults."""
        self._table().items.clear()
        self.faults.restart()
        self.customer = ""
        self.number: Answer | Exception | None = None
        self.basket: Answer | Exception = Answer(200, BASKET)
        self.product: Answer | Exception = Answer(200, PRODUCT)
        self.quotation: Answer | Exception = Answer(200, QUOTATION)
        self.payment_result: str | None = "AUTHORIZED"
        self.charge: Answer | None = None
        self.queues: dict[str, list[Message]] = {name: [] for name in QUEUES}
        self.published: list[Event] = []
        self.payments: dict[str, Event] = {}
        self.platform_orders: dict[str, list[dict[str, Any]]] = {}
        self.statuses: dict[str, list[str]] = {}
        self._numbers = itertools.count(FIRST_NUMBER)

    # --- what is stored ---

    def order(self, number: str) -> dict[str, Any]:
        """The stored order. Read from moto, so that it is no call that may fail."""
        (item,) = [each for each in self._table().all_items() if each.attrs["order_number"].value == number]
        return from_item(item.to_json()["Attributes"])

    def store_order(self, status: str) -> str:
        """Store a priced order in ``status``; its number."""
        number = f"T{next(self._numbers)}"
        order = NEW_ORDER | PRICE | {"order_number": number, "backend_status": status, "charge_id": "ch-1"}
        self.service.put("Table", order)
        self.faults.restart()
        self.note_statuses()
        return number

    def note_statuses(self) -> None:
        """Note each order's status if it has changed. ``statuses`` has them by order number, oldest first."""
        for item in self._table().all_items():
            if "backend_status" in item.attrs:
                noted = self.statuses.setdefault(item.attrs["order_number"].value, [])
                if noted[-1:] != [item.attrs["backend_status"].value]:
                    noted.append(item.attrs["backend_status"].value)

    def public_statuses(self, number: str) -> list[str]:
        """The statuses that the customer could see, oldest first."""
        public = [STATUSES[status].public for status in self.statuses.get(number, [])]
        return [status for status, _ in itertools.groupby(public)]

    def _table(self) -> Any:
        return dynamodb_backends[DEFAULT_ACCOUNT_ID][REGION].get_table(self.service.name("Table"))

    # --- what the functions call ---

    def send_message(self, request: Mapping[str, Any]) -> dict[str, Any]:
        attributes = {name: each["StringValue"] for name, each in request.get("MessageAttributes", {}).items()}
        self.queues[self._queue_names[request["QueueUrl"]]].append(Message(request["MessageBody"], attributes))
        return {}

    def put_events(self, request: Mapping[str, Any]) -> dict[str, Any]:
        for entry in request["Entries"]:
            event = events.parse(json.loads(entry["Detail"]))
            self.published.append(event)
            if event.kind[1:] == ("ORDER", "SUBMIT") and self.payment_result:
                self.publish_payment_result(event, self.payment_result)
        return {"Entries": [{} for _ in request["Entries"]]}

    def publish_payment_result(self, submit: Event, result: str) -> None:
        """As payments: one charge per order, and the same result with the same id for each repeat of Order submit."""
        number = submit.data["order_number"]
        order = self.order(number)
        assert order["backend_status"] != "Validating", "payments would read an order without an amount"
        data = {"order_number": number, "customer_id": order["customer_id"]}
        if result == "AUTHORIZED":
            data |= {"charge_id": "ch-1", "amount": order["amount"], "currency": order["currency"]}
        else:
            data |= {"reason_code": REASONS_BY_RESULT[result]}
        kind = ("CHECKOUT", "PAYMENT", result)
        payment = Event(kind, data, derived_id("payment", number), submit.correlation_id, submit.event_id)
        self.payments[number] = payment
        self.send(PAYMENT, {"detail": payment.detail()})

    def call_service(self, service: str, method: str, path: str, *, body: Any = None, **options: Any) -> Answer:
        name, respond = {
            "sequences": ("next number", self._next_number),
            "basket": ("read basket", lambda: _respond(self.basket)),
            "tax": ("quote tax", lambda: _respond(self.quotation)),
        }[service]
        return self._call(name, respond)

    def call_external(self, system: str, method: str, *path: str, body: Any = None, timeout: float) -> Answer:
        match system, method, path:
            case "payments", "GET", ("charges", number):
                return self._call("find charge", lambda: self._find_charge(number))
            case "commerce", "GET", ("products", "SP-1"):
                return self._call("read product", lambda: _respond(self.product))
            case "commerce", "PUT", ("orders", number):
                return self._call("put order", lambda: self._put_order(number, body))
        raise AssertionError(f"unexpected call: {system} {method} {path}")

    def _call(self, name: str, effect: Callable[[], Answer]) -> Answer:
        response: Answer = self.faults.call(name, effect, ExternalUnavailable(name, "no answer", timed_out=True))
        return response

    def _next_number(self) -> Answer:
        if self.number:
            return _respond(self.number)
        value = next(self._numbers)
        return Answer(200, {"value": value, "formatted": f"T{value}"})

    def _find_charge(self, number: str) -> Answer:
        if self.charge:
            return self.charge
        if number not in self.payments:
            return Answer(404, {})
        data = self.payments[number].data
        return Answer(
            200, {"status": "authorized", **{name: data[name] for name in ("charge_id", "amount", "currency")}}
        )

    def _put_order(self, number: str, body: dict[str, Any]) -> Answer:
        stored = self.platform_orders.setdefault(number, [])
        if stored and stored[0] != body:
            return Answer(409, {})
        stored.append(body)
        return Answer(201 if len(stored) == 1 else 200, body)

    # --- what calls the functions ---

    def submit(self, customer: str | None = None, *, key: str | None = IDEMPOTENCY_KEY, **changes: Any) -> Response:
        """The response to one request, in the session of ``customer`` ("" for a guest); a crash is a 502 of the gateway."""
        headers = {"X-Correlation-Id": CORRELATION_ID} | ({"Idempotency-Key": key} if key else {})
        authorizer = {"customer_id": self.customer if customer is None else customer, "roles": ""}
        try:
            return self.service.call("submit_order", REQUEST | changes, headers=headers, authorizer=authorizer)
        except Crash:
            return Response(502, {}, None)

    def submit_until_accepted(self) -> str:
        """The order number that a client gets that repeats its request with the same key."""
        for _ in range(6):
            response = self.submit()
            assert response.status in (202, 502, 503), response
            if response.status == 202:
                return str(response.body["order_number"])
        raise AssertionError("never accepted")

    def send(self, queue: str, body: Any, **attributes: str) -> None:
        """Put a message on a queue."""
        self.queues[queue].append(Message(json.dumps(body), attributes))

    def deliver(self, queue: str) -> bool:
        """Deliver the first message of a queue once; False if there is none.

        If that fails, the message goes to the end of the queue, or to the dead-letter queue after its last receive.
        """
        if not self.queues[queue]:
            return False
        message, consumer = self.queues[queue].pop(0), QUEUES[queue].consumer
        assert consumer
        message.receive_count += 1
        try:
            failed = self.service.deliver(
                consumer.logical_id, message.body, receive_count=message.receive_count, attributes=message.attributes
            )
        except Crash:
            failed = ["m0"]
        if failed and message.receive_count >= QUEUES[queue].receives:
            self.queues[QUEUES[queue].dead_letters.removeprefix("orders.")].append(message.copy())
        elif failed:
            self.queues[queue].append(message)
        return True

    def deliver_all(self) -> None:
        """Deliver until all queues that have a consumer are empty."""
        for _ in range(200):
            delivered = [self.deliver(queue) for queue in CONSUMED]
            if not any(delivered):
                return
        raise AssertionError("the queues do not become empty")

    def sweep(self, *, minutes: int = 10) -> None:
        """Run the sweep ``minutes`` later."""
        self.clock.now += 60 * minutes
        try:
            self.service.invoke("retry_stuck_orders")
        except (Crash, ClientError):
            return

    def place_and_process(self) -> str:
        """Submit an order and process it until it has ended, with as many as four sweeps; its number."""
        number = self.submit_until_accepted()
        self.deliver_all()
        for _ in range(4):
            if "in_progress" not in self.order(number):
                break
            self.sweep()
            self.deliver_all()
        return number

    def place_differing_order(self) -> str:
        """Place and pay an order whose number the commerce platform has with another content; its number."""
        number = self.submit_until_accepted()
        self.platform_orders[number] = [{"another": "order"}]
        for _ in range(3):
            self.deliver_all()
            self.sweep()
        self.deliver_all()
        return number

    # --- what has to hold ---

    def assert_one_order(self, number: str, status: str) -> None:
        """There is one order, in ``status``; its public status never went back, and it had each effect once."""
        assert self.order(number)["backend_status"] == status
        assert list(self.statuses) == [number], "another order was stored"
        assert self.public_statuses(number) == ["Processing", STATUSES[status].public]
        ids = {event.kind: event.event_id for event in self.published}
        assert all(event.event_id == ids[event.kind] for event in self.published)
        assert {event.correlation_id for event in self.published} <= {CORRELATION_ID}
        is_complete = status == "Sent to fulfillment"
        platform_orders = {json.dumps(each, sort_keys=True) for each in self.platform_orders.get(number, [])}
        assert len(platform_orders) == is_complete
        assert (("CHECKOUT", "ORDER", "COMPLETE") in ids) == is_complete


def _respond(response: Answer | Exception) -> Answer:
    if isinstance(response, Exception):
        raise response
    return response

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
from orders.repository.orders import NEVER
from setpieces import dynamodb, events
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
    DESTINATION,
    IDEMPOTENCY_KEY,
    NEW_ORDER,
    PRODUCT,
    REQUEST,
    TAX_QUOTATION,
    VOUCHER,
    Clock,
)
from tests.unit.orders.holdings import Basket, Reservations, refusal, respond

SUBMIT, SUBMIT_DEAD_LETTERS, PARKED = "SubmitQueue", "SubmitDeadLetters", "ParkedQueue"
PAYMENT, PAYMENT_DEAD_LETTERS = "PaymentQueue", "PaymentDeadLetters"
QUEUES = {name.removeprefix("orders."): queue for name, queue in queues("orders").items()}
CONSUMED = [name for name, queue in QUEUES.items() if queue.consumer]
FIRST_NUMBER = 100_000_001
STOCK = 2
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
        self.request = REQUEST
        self.number: Answer | Exception | None = None
        self.basket: Answer | Exception = Answer(200, BASKET)
        self.product: Answer | Exception = Answer(200, PRODUCT)
        self.quotation: Answer | Exception = Answer(200, TAX_QUOTATION)
        self.voucher: Answer | Exception = Answer(200, VOUCHER)
        self.baskets: dict[str, Basket] = {}
        self.vouchers: dict[str, Reservations] = {}
        self.stock = Reservations(STOCK)
        self.reservation: Answer | None = None
        self.reserved: dict[str, Any] = {}
        self.platform_order: Answer | None = None
        self.basket_is_gone = False
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
        order = NEW_ORDER | {"order_number": number, "backend_status": status, "charge_id": "ch-1"}
        self.service.put("Table", order)
        self.faults.restart()
        self.note_statuses()
        return number

    def unlock(self, basket_id: str) -> None:
        """Remove the lock of a basket, which orders of an older version have not."""
        with self.service.acting_as("process_order"):
            dynamodb.delete_if(self.service.name("Table"), {"order_number": f"basket#{basket_id}"})

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
            charge_id = "ch-1" if order["amount"] else f"free-{number}"
            data |= {"charge_id": charge_id, "amount": order["amount"], "currency": order["currency"]}
        else:
            data |= {"reason_code": REASONS_BY_RESULT[result]}
        kind = ("CHECKOUT", "PAYMENT", result)
        payment = Event(kind, data, derived_id("payment", number), submit.correlation_id, submit.event_id)
        self.payments[number] = payment
        self.send(PAYMENT, {"detail": payment.detail()})

    def call_service(self, service: str, method: str, path: str, *, body: Any = None, **options: Any) -> Answer:
        match service, method, path.split("/")[3:]:
            case "sequences", "POST", _:
                return self._call("next number", self._next_number)
            case "tax", "POST", _:
                return self._call("quote tax", lambda: self._quote_tax(body["lines"]))
            case "basket", "GET", _:
                return self._call("read basket", lambda: respond(self.basket))
            case "basket", "PUT", (_, basket_id, _, number):
                return self._call(f"basket {body['state']}", lambda: self._put_basket(basket_id, number, body))
            case "vouchers", "GET", (_, code):
                return self._call("read voucher", lambda: respond(self.voucher))
            case "vouchers", "PUT", (_, code, _, number):
                return self._call(f"voucher {body['state']}", lambda: self._put_voucher(code, number, body))
        raise AssertionError(f"unexpected call: {service} {method} {path}")

    def call_external(
        self, system: str, method: str, *path: str, body: Any = None, timeout: float, query: Any = None
    ) -> Answer:
        match system, method, path:
            case "payments", "GET", ("charges", number):
                return self._call("find charge", lambda: self._find_charge(number))
            case "commerce", "GET", ("products", "SP-1"):
                return self._call("read product", lambda: respond(self.product))
            case "commerce", "PUT", ("reservations", number):
                return self._call("reserve stock", lambda: self._reserve_stock(number, body))
            case "commerce", "DELETE", ("reservations", number):
                return self._call("release stock", lambda: self._release_stock(number, int(query["attempt"])))
            case "commerce", "PUT", ("orders", number):
                return self._call("put order", lambda: self._put_order(number, body))
        raise AssertionError(f"unexpected call: {system} {method} {path}")

    def _call(self, name: str, effect: Callable[[], Answer]) -> Answer:
        response: Answer = self.faults.call(name, effect, ExternalUnavailable(name, "no answer", timed_out=True))
        return response

    def _next_number(self) -> Answer:
        if self.number:
            return respond(self.number)
        value = next(self._numbers)
        return Answer(200, {"value": value, "formatted": f"T{value}"})

    def _find_charge(self, number: str) -> Answer:
        if self.charge:
            return self.charge
        assert self.order(number)["amount"], "a charge of 0 is looked up"
        if number not in self.payments:
            return Answer(404, {})
        data = self.payments[number].data
        return Answer(
            200, {"status": "authorized", **{name: data[name] for name in ("charge_id", "amount", "currency")}}
        )

    def _put_basket(self, basket_id: str, number: str, body: dict[str, Any]) -> Answer:
        if self.basket_is_gone and body["state"] == "in_progress":
            return Answer(404, {})
        return self.baskets.setdefault(basket_id, Basket()).put(number, body["state"], body["attempt"])

    def _put_voucher(self, code: str, number: str, body: dict[str, Any]) -> Answer:
        voucher = self.vouchers.setdefault(code, Reservations(1))
        if body["state"] == "released":
            return Answer(200, {}) if voucher.release(number, body["attempt"]) else refusal("VOUCHER_REDEEMED")
        if body["state"] == "redeemed":
            return Answer(200, {}) if voucher.take(number) else refusal("VOUCHER_RESERVED")
        return voucher.reserve(number, 1, body["attempt"]) or refusal("VOUCHER_RESERVED")

    def _quote_tax(self, lines: list[dict[str, Any]]) -> Answer:
        """The response about the basket's line, and 19 % of a delivery that costs something."""
        answer = respond(self.quotation)
        if answer.status != 200:
            return answer
        delivery = [{"sku": each["sku"], "tax": round(each["unit_price"] * 0.19), "rate": 1900} for each in lines[1:]]
        return Answer(200, answer.body | {"lines": [*answer.body["lines"], *delivery]})

    def hold_voucher(self, code: str, number: str) -> None:
        """Have another order hold a voucher."""
        self.vouchers[code] = Reservations(1)
        self.vouchers[code].reserve(number, 1, 0)

    def _reserve_stock(self, number: str, body: dict[str, Any]) -> Answer:
        self.reserved = body
        if self.reservation:
            return self.reservation
        (line,) = body["lines"]
        short = [line | {"code": "OUT_OF_STOCK"}]
        return self.stock.reserve(number, line["quantity"], body["attempt"]) or refusal("OUT_OF_STOCK", lines=short)

    def _release_stock(self, number: str, attempt: int) -> Answer:
        return Answer(204, None) if self.stock.release(number, attempt) else refusal("RESERVATION_COMMITTED")

    def _put_order(self, number: str, body: dict[str, Any]) -> Answer:
        if self.platform_order:
            return self.platform_order
        stored = self.platform_orders.setdefault(number, [])
        if stored and stored[0] != body:
            return Answer(409, {})
        if self.stock.is_released(number):
            return refusal("RESERVATION_CLOSED")
        quantity = sum(line["quantity"] for line in body["lines"])
        if not self.stock.take(number):
            if self.stock.available < quantity:
                return refusal("OUT_OF_STOCK")
            self.stock.available -= quantity
            self.stock.taken[number] = quantity
        stored.append(body)
        return Answer(201 if len(stored) == 1 else 200, body)

    # --- what calls the functions ---

    def submit(self, customer: str | None = None, *, key: str | None = IDEMPOTENCY_KEY, **changes: Any) -> Response:
        """The response to one request, in the session of ``customer`` ("" for a guest); a crash is a 502 of the gateway."""
        headers = {"X-Correlation-Id": CORRELATION_ID} | ({"Idempotency-Key": key} if key else {})
        customer = self.customer if customer is None else customer
        body = self.request | ({"customer_id": customer} if customer else {}) | changes
        authorizer = {"customer_id": customer, "roles": ""}
        try:
            return self.service.call("submit_order", body, headers=headers, authorizer=authorizer)
        except Crash:
            return Response(502, {}, None)

    def quote(self, **changes: Any) -> Response:
        """The response to a request for a quotation of the basket."""
        body = {"basket_id": REQUEST["basket_id"], "ship_to": DESTINATION} | changes
        return self.service.call("create_quotation", body, authorizer={"customer_id": self.customer, "roles": ""})

    def confirm(self, **changes: Any) -> dict[str, Any]:
        """A quotation; the next requests order it."""
        response = self.quote(**changes)
        assert response.status == 200, response
        self.request = {name: REQUEST[name] for name in ("payment_token", "ship_to")}
        self.request |= {"quotation_id": response.body["quotation_id"], "email": "ada@shop.example"}
        self.faults.restart()
        quotation: dict[str, Any] = response.body
        return quotation

    def submit_until_accepted(self) -> str:
        """The order number that a client gets that repeats its request with the same key."""
        # A test schedules six failures at most, and each of them fails one attempt.
        for _ in range(7):
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
        self.assert_closed(number, is_complete=is_complete)
        assert (("CHECKOUT", "ORDER", "COMPLETE") in ids) == is_complete

    def assert_closed(self, number: str, *, is_complete: bool) -> None:
        """The order is out of those in progress; a complete one has taken what it held, a failed one has given it back."""
        order = self.order(number)
        assert "in_progress" not in order
        assert order["expires_at"] < NEVER
        assert not any(item.attrs["order_number"].value.startswith("basket#") for item in self._table().all_items())
        assert (self.stock.held, self.stock.available + sum(self.stock.taken.values())) == ({}, STOCK)
        assert (number in self.stock.taken) == is_complete
        paying = {discount["code"] for discount in order.get("discounts", [])}
        for code, voucher in self.vouchers.items():
            assert (voucher.held, number in voucher.taken) == ({}, is_complete and code in paying)
        assert not any(basket.holder for basket in self.baskets.values())

"""Stock against an independent model: after every step, sold, reserved and available are all that was received."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import time_machine
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from partners import workflow
from partners.domain.operations import Call, Conflict, Documents, Outcome, Stored, Write
from partners.simulators.routes import find_operation
from setpieces.http_refusal import HttpRefusal
from tests.unit.partners.samples import ORDER, PRODUCT

START = datetime(2027, 1, 15, 8, tzinfo=UTC)
SKUS = ("S-1", "S-2")
# Of S-3 the platform has no product.
LINES = st.dictionaries(st.sampled_from([*SKUS, "S-3"]), st.integers(1, 4), min_size=1)
KNOWN_LINES = st.dictionaries(st.sampled_from(SKUS), st.integers(1, 4), min_size=1)
ORDERS = st.sampled_from(["T1", "T2", "T3", "T4"])
CUSTOMERS = st.sampled_from([None, "C1", "C2"])
MAX_PER_CUSTOMER = 6


class Interrupted(Exception):
    """The simulator's function ends before a write."""


class MemoryStore:
    """Records in memory; ``fail`` is raised instead of the next write to the collection ``fail_collection``."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, str], Stored] = {}
        self.fail: Exception | None = None
        self.fail_collection = ""

    def read(self, collection: str, key: str) -> Stored | None:
        return self.records.get((collection, key))

    def read_all(self, collection: str, keys: list[str]) -> dict[str, Stored]:
        return {key: self.records[collection, key] for key in keys if (collection, key) in self.records}

    def list_documents(self, collection: str, prefix: str = "", after: str = "") -> Documents:
        raise NotImplementedError

    def write(self, *writes: Write) -> None:
        assert sum(1 + len(write.entries) for write in writes) <= 100
        if self.fail and writes[0].collection == self.fail_collection:
            fail, self.fail = self.fail, None
            raise fail
        if any(self.records.get((write.collection, write.key)) != write.replaces for write in writes):
            raise Conflict
        for write in writes:
            revision = write.replaces.revision + 1 if write.replaces else 1
            self.records[write.collection, write.key] = Stored(revision, write.document)


@dataclass(frozen=True)
class ModelOrder:
    """The last request that had an effect on an order; ``placed`` if the platform has the order itself."""

    lines: dict[str, int] = field(default_factory=dict)
    expires: int = 0
    customer: str | None = None
    attempt: int = 0
    state: str = "released"
    placed: bool = False


class Stock(RuleBasedStateMachine):
    """Time is in minutes. The model keeps orders and reports, and counts pieces anew each time."""

    def __init__(self) -> None:
        super().__init__()
        self.travel = time_machine.travel(START, tick=False)
        self.clock = self.travel.start()
        self.store = MemoryStore()
        self.minute = 0
        self.version = 1
        self.orders: dict[str, ModelOrder] = {}
        # The last reported count and the pieces sold up to then, by SKU.
        self.reports: dict[str, tuple[int, int]] = {}
        for sku in SKUS:
            self.put_product(sku, 8, 1000)

    def teardown(self) -> None:
        self.travel.stop()

    # --- requests ---

    def call(self, method: str, path: str, body: Any = None, query: dict[str, str] | None = None) -> Outcome:
        operation, ids = find_operation(method, f"commerce/{path}")
        call = Call(ids, query or {}, {}, body or {}, workflow.utc_now())
        return workflow.perform(operation, call, self.store)

    def refusal_or_status(self, method: str, path: str, body: Any = None, **query: str) -> str | int:
        try:
            return self.call(method, path, body, query).status
        except HttpRefusal as refusal:
            return refusal.code

    @staticmethod
    def time(minute: int) -> str:
        return (START + timedelta(minutes=minute)).isoformat()

    # --- the model ---

    def is_active(self, order: ModelOrder | None) -> bool:
        return order is not None and order.state == "reserved" and order.expires > self.minute

    def sold(self, sku: str, customer: str | None = None) -> int:
        orders = [each for each in self.orders.values() if each.state == "committed"]
        return sum(each.lines.get(sku, 0) for each in orders if customer in (None, each.customer))

    def reserved(self, sku: str, customer: str | None = None) -> int:
        orders = [each for each in self.orders.values() if self.is_active(each)]
        return sum(each.lines.get(sku, 0) for each in orders if customer in (None, each.customer))

    def on_hand(self, sku: str) -> int:
        count, sold_before = self.reports[sku]
        return count - (self.sold(sku) - sold_before)

    def available(self, sku: str) -> int:
        return max(0, self.on_hand(sku) - self.reserved(sku))

    # --- steps ---

    @rule(minutes=st.integers(1, 6))
    def wait(self, minutes: int) -> None:
        self.minute += minutes
        self.clock.shift(timedelta(minutes=minutes))

    @rule(sku=st.sampled_from(SKUS), count=st.integers(0, 12))
    def report(self, sku: str, count: int) -> None:
        self.version += 1
        update = {"sku": sku, "version": self.version, "stock": count}
        assert self.call("POST", "product-updates/sku", {"updates": [update]}).body["results"][0]["status"] == 200
        self.reports[sku] = (count, self.sold(sku))

    @rule(sku=st.sampled_from(SKUS), count=st.integers(0, 12), price=st.integers(0, 2))
    def put_product(self, sku: str, count: int, price: int) -> None:
        self.version += 1
        stored = self.store.read("products", sku)
        # A stock that the caller does not report again is the one of its last report.
        stock_version = stored.document["stock_version"] if stored else 0
        product = PRODUCT | {
            "unit_price": price,
            "stock": count,
            "stock_version": stock_version,
            "version": self.version,
            "max_per_customer": MAX_PER_CUSTOMER,
        }
        assert self.refusal_or_status("PUT", f"products/{sku}", product) in (200, 201)
        if self.reports.get(sku, (None, 0))[0] != count:
            self.reports[sku] = (count, self.sold(sku))

    @rule(number=ORDERS, lines=LINES, ttl=st.integers(-1, 9), customer=CUSTOMERS, attempt=st.integers(0, 2))
    def reserve(self, number: str, lines: dict[str, int], ttl: int, customer: str | None, attempt: int) -> None:
        before = self.orders.get(number)
        if before and before.state != "released" and len(lines) % 2:
            # A repeat, which chance alone hardly ever makes.
            lines, customer = before.lines, before.customer
        expected, after = self.reservation(number, lines, self.minute + ttl, customer, attempt)
        body = {
            "lines": [{"sku": sku, "quantity": quantity} for sku, quantity in lines.items()],
            "expires_at": self.time(self.minute + ttl),
            "attempt": attempt,
        } | ({"customer_id": customer} if customer else {})
        assert self.refusal_or_status("PUT", f"reservations/{number}", body) == expected
        if after:
            self.orders[number] = after

    def reservation(
        self, number: str, lines: dict[str, int], expires: int, customer: str | None, attempt: int
    ) -> tuple[str | int, ModelOrder | None]:
        """The expected status or code, and the order after the request if it changes."""
        before = self.orders.get(number)
        if before and (attempt < before.attempt or (attempt == before.attempt and before.state != "reserved")):
            return "RESERVATION_CLOSED", None
        if before and before.state != "released":
            if (before.lines, before.customer) != (lines, customer):
                return "DIFFERENT_CONTENT", None
            if before.state == "committed":
                return 200, None
            expires = max(expires, before.expires)
        if expires <= self.minute:
            return "INVALID_REQUEST", None
        if not self.is_active(before) and not all(self.can_reserve(sku, lines[sku], customer) for sku in lines):
            return "OUT_OF_STOCK", None
        status = 200 if before and before.state == "reserved" else 201
        return status, ModelOrder(lines, expires, customer, attempt, "reserved")

    def can_reserve(self, sku: str, quantity: int, customer: str | None) -> bool:
        if sku not in SKUS or quantity > self.available(sku):
            return False
        has = self.sold(sku, customer) + self.reserved(sku, customer) if customer else 0
        return has + quantity <= MAX_PER_CUSTOMER

    @rule(number=ORDERS, attempt=st.integers(0, 2))
    def release(self, number: str, attempt: int) -> None:
        before = self.orders.get(number, ModelOrder(attempt=-1))
        status = self.refusal_or_status("DELETE", f"reservations/{number}", attempt=str(attempt))
        assert status == ("RESERVATION_COMMITTED" if before.state == "committed" else 204)
        if before.state != "committed" and attempt >= before.attempt:
            self.orders[number] = replace(before, attempt=attempt, state="released")

    @rule(
        number=ORDERS, lines=KNOWN_LINES, own=st.booleans(), interrupt=st.sampled_from(["", "reservations", "orders"])
    )
    def order(self, number: str, lines: dict[str, int], own: bool, interrupt: str) -> None:
        """Place an order; the function may end before one of its two writes, and the caller repeats."""
        stored = self.orders.get(number)
        before = stored or ModelOrder()
        if own and before.lines:
            lines = before.lines
        body = ORDER | {"lines": [{"sku": sku, "quantity": lines[sku]} for sku in sorted(lines)]}
        expected = "RESERVATION_CLOSED" if stored and stored.state == "released" else self.sale(before, lines)
        if isinstance(expected, int) and not before.placed and interrupt:
            self.store.fail, self.store.fail_collection = Interrupted(), interrupt
            try:
                self.call("PUT", f"orders/{number}", body)
            except Interrupted:
                if interrupt == "orders":
                    self.orders[number] = replace(before, lines=lines, state="committed")
                    self.counts_are_those_of_the_model()
            self.store.fail = None
        assert self.refusal_or_status("PUT", f"orders/{number}", body) == expected
        if isinstance(expected, int):
            self.orders[number] = replace(before, lines=lines, state="committed", placed=True)

    def sale(self, before: ModelOrder, lines: dict[str, int]) -> str | int:
        """The expected status or code of an order."""
        if (before.state == "committed" or self.is_active(before)) and before.lines != lines:
            return "DIFFERENT_CONTENT"
        if before.state == "committed":
            return 200 if before.placed else 201
        of_order = self.on_hand if self.is_active(before) else self.available
        is_short = any(quantity > of_order(sku) for sku, quantity in lines.items())
        return "OUT_OF_STOCK" if is_short else 201

    @rule(conflicts=st.sampled_from(["products", "reservations"]))
    def conflict(self, conflicts: str) -> None:
        """Another request changes a record before the next write."""
        self.store.fail, self.store.fail_collection = Conflict(), conflicts

    # --- what holds after every step ---

    @invariant()
    def counts_are_those_of_the_model(self) -> None:
        for sku in SKUS:
            stock = self.call("GET", f"stock/{sku}").body
            expected = {
                "sku": sku,
                "received": self.sold(sku) + self.on_hand(sku),
                "sold": self.sold(sku),
                "reserved": min(self.reserved(sku), self.on_hand(sku)),
                "available": self.available(sku),
            }
            assert stock == expected
            assert min(stock["sold"], stock["reserved"], stock["available"]) >= 0
            assert stock["sold"] + stock["reserved"] + stock["available"] == stock["received"]
            assert self.call("GET", f"products/{sku}").body["stock"] == stock["available"]


TestStock = Stock.TestCase
TestStock.settings = settings(max_examples=80, stateful_step_count=25, deadline=None)

"""The way of an order under lost calls, repeats and reordering: whatever breaks, the next delivery gets it done once."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orders import repository
from orders.clients import commerce
from orders.domain.pricing import InvalidOrder, add_tax, price_basket
from orders.domain.statuses import STATUSES
from orders.workflow import fulfillment

ITEMS = [{"sku": "SP-1", "quantity": 2, "unit_price": 1000, "name": "Tower"}]
BASKET = {"basket_id": "b", "version": 3, "items": ITEMS, "totals": {"currency": "EUR", "amount": 2000}}
QUOTATION = {"tax_total": 380, "lines": [], "source": "quotation", "rate_version": "1", "quoted_at": "now"}


class Lost(Exception):
    """The process died, or the answer never came."""


class World:
    """One order and everybody it is told to; the calls whose numbers are in ``lost`` fail, ``after`` their effect or before."""

    def __init__(self, status: str = "Validating", basket=BASKET, quotation=QUOTATION, lost=frozenset(), after=False):
        self.order = {"order_number": "T1", "customer_id": "C1", "basket_id": "b", "correlation_id": "c"}
        self.order["backend_status"] = status
        self.basket, self.quotation, self.lost, self.after = basket, quotation, lost, after
        self.calls, self.statuses = 0, [status]
        self.published: list[str] = []
        self.platform: list[str] = []

    def call(self, effect):
        self.calls += 1
        if self.calls in self.lost and not self.after:
            raise Lost
        result = effect()
        if self.calls in self.lost:
            raise Lost
        return result

    def advance(self, number, status, **facts):
        def effect():
            if self.order["backend_status"] not in STATUSES[status].after:
                return None
            self.order |= facts | {"backend_status": status}
            self.statuses.append(status)
            return dict(self.order)

        return self.call(effect)

    def install(self, patch: pytest.MonkeyPatch) -> "World":
        for module, name, effect in (
            (repository, "load", lambda number: dict(self.order)),
            (commerce, "read_products", lambda skus: {}),
            (commerce, "put_order", lambda order: self.platform.append(order["order_number"])),
            (fulfillment, "read_basket", lambda basket_id: self.basket),
            (fulfillment, "quote_tax", lambda order, price: self.quotation),
            (fulfillment, "publish_event", lambda kind, order: self.published.append(kind[2])),
        ):
            patch.setattr(module, name, lambda *arguments, effect=effect: self.call(lambda: effect(*arguments)))
        patch.setattr(repository, "advance", self.advance)
        return self

    def deliver(self, times: int = 1) -> None:
        for _ in range(times):
            try:
                fulfillment.advance_order(fulfillment.load_order("T1"))
            except Lost:
                continue


def test_a_new_order_is_priced_and_its_payment_asked_for(monkeypatch):
    world = World().install(monkeypatch)
    world.deliver()
    assert world.order["backend_status"] == "Payment processing"
    assert (world.order["subtotal"], world.order["amount"], world.order["currency"]) == (2000, 2380, "EUR")
    assert world.order["lines"] == [{"sku": "SP-1", "quantity": 2, "unit_price": 1000}]
    assert world.published == ["SUBMIT"]


def test_the_lines_that_cost_most_are_checked_first(monkeypatch):
    """A slow platform tells of some products only: a basket cannot be filled up with trifles to keep the rest unchecked."""
    trifles = [{"sku": f"SP-{number}", "quantity": 1, "unit_price": 1} for number in range(2, 100)]
    dear = {"sku": "SP-100", "quantity": 3, "unit_price": 900}
    asked: list[str] = []

    def read_products(skus: list[str]) -> dict[str, Any]:
        asked.extend(skus)
        return {}

    World(basket=BASKET | {"items": [*trifles, *ITEMS, dear]}).install(monkeypatch)
    monkeypatch.setattr(commerce, "read_products", read_products)
    fulfillment.advance_order(fulfillment.load_order("T1"))
    assert asked[:2] == ["SP-100", "SP-1"]
    assert len(asked) == 100


def test_a_paid_order_is_told_and_complete(monkeypatch):
    world = World("Payment authorized").install(monkeypatch)
    world.deliver(2)
    assert (world.platform, world.published) == (["T1"], ["COMPLETE"])
    assert world.order["backend_status"] == "Sent to fulfillment"


@pytest.mark.parametrize("status", [name for name, status in STATUSES.items() if status.terminal])
def test_a_terminal_order_is_left_alone(monkeypatch, status: str):
    world = World(status).install(monkeypatch)
    world.deliver(3)
    assert (world.statuses, world.published, world.platform) == ([status], [], [])


@given(
    start=st.sampled_from(["Validating", "Payment processing", "Payment authorized"]),
    lost=st.frozensets(st.integers(1, 14), max_size=6),
    after=st.booleans(),
)
@settings(max_examples=200)
def test_whatever_is_lost_the_next_delivery_gets_it_done(start: str, lost: frozenset[int], after: bool):
    with pytest.MonkeyPatch.context() as patch:
        world = World(start, lost=lost, after=after).install(patch)
        world.deliver(8)
    expected = {"Payment authorized": ("Sent to fulfillment", "COMPLETE")}.get(start, ("Payment processing", "SUBMIT"))
    assert (world.order["backend_status"], world.published[-1]) == expected
    assert len(world.statuses) == len(set(world.statuses))


@pytest.mark.parametrize(
    ("basket", "quotation", "reason"),
    [
        (None, QUOTATION, "BASKET_NOT_FOUND"),
        (BASKET | {"items": []}, QUOTATION, "EMPTY_BASKET"),
        (BASKET, None, "UNSUPPORTED_DESTINATION"),
    ],
)
def test_what_cannot_be_carried_out_fails(monkeypatch, basket, quotation, reason: str):
    world = World(basket=basket, quotation=quotation).install(monkeypatch)
    world.deliver(2)
    assert (world.order["backend_status"], world.order["reason_code"]) == ("Validation failed", reason)
    assert world.published == []
    with pytest.raises(InvalidOrder, match=reason):
        add_tax(price_basket(basket), quotation)

"""The table of payments: every status of an order against every state of its charge."""

from itertools import product

import pytest

from orders.domain.statuses import STATUSES
from payments.domain import STEPS, Charge, Order, Step, decide, needs_the_provider
from setpieces.errors import PermanentFailure

OPEN = ("Payment processing",)
NOT_OPEN = ("Validating", "Payment authorized", "Sent to fulfillment")
FAILED = ("Validation failed", "Card declined", "Cancelled")
CHARGES = (None, "authorized", "declined")


def order(status: str = "Payment processing") -> Order:
    return Order("T100000001", "C100000001", status, 7998, "EUR", "tok_ok")


def charge(status: str | None, amount: int = 7998, currency: str = "EUR") -> Charge | None:
    return Charge(status, amount, currency, "ch-1") if status else None


def test_every_backend_status_of_orders_and_every_charge_has_its_cell():
    assert set(STEPS) == set(STATUSES) == {*OPEN, *NOT_OPEN, *FAILED}
    assert all(set(row) == set(CHARGES) for row in STEPS.values())


EXPECTED = [
    *((status, None, Step.CHARGE) for status in OPEN),
    *((status, "authorized", Step.AUTHORIZED) for status in OPEN),
    *((status, "declined", Step.DECLINED) for status in OPEN),
    *((status, found, Step.NOTHING) for status, found in product(NOT_OPEN, CHARGES)),
    *((status, found, Step.NOTHING) for status, found in product(FAILED, (None, "declined"))),
]


@pytest.mark.parametrize(("status", "found", "step"), EXPECTED)
def test_the_step_follows_from_order_and_charge(status, found, step):
    assert decide(order(status), charge(found)) is step


def test_only_an_order_that_waits_and_has_no_charge_is_charged():
    charged = {(status, found) for status, row in STEPS.items() for found, step in row.items() if step is Step.CHARGE}
    assert charged == {(status, None) for status in OPEN}
    assert not any(STATUSES[status].terminal for status in OPEN)


@pytest.mark.parametrize("status", FAILED)
def test_money_held_for_a_failed_order_is_for_a_person(status):
    with pytest.raises(PermanentFailure, match="CHARGED_AFTER_FAILURE"):
        decide(order(status), charge("authorized"))


@pytest.mark.parametrize("status", STEPS)
@pytest.mark.parametrize("found", [charge("authorized", 7999), charge("declined", currency="USD")])
def test_a_charge_over_another_amount_is_never_taken_for_the_orders(status, found):
    with pytest.raises(PermanentFailure, match="CHARGE_DIFFERS"):
        decide(order(status), found)


@pytest.mark.parametrize("status", ["", "Processing", "payment processing", None])
def test_what_is_not_understood_is_not_charged(status):
    for asked in (needs_the_provider, lambda known: decide(known, None)):
        with pytest.raises(PermanentFailure, match="UNKNOWN_STATUS") as reject:
            asked(order(status))
        assert not status or status not in reject.value.detail


@pytest.mark.parametrize("status", STEPS)
def test_the_provider_is_left_alone_unless_its_record_matters(status):
    assert needs_the_provider(order(status)) is (status not in NOT_OPEN)


def test_the_token_is_not_shown():
    assert "tok_ok" not in repr(order())

"""The step of a payment: every status of an order with every status of its charge."""

from itertools import product
from typing import Any

import pytest

from orders.domain.statuses import STATUSES
from payments.domain import REJECTION_REASONS, STEPS, Charge, Order, Step, decide_step, requires_provider, zero_charge
from setpieces.errors import PermanentFailure

AWAITING = ("Payment processing",)
NEEDS_NOTHING = ("Validating", "Payment authorized", "Sent to fulfillment")
FAILED = ("Validation failed", "Card declined", "Cancelled")
CHARGE_STATUSES = (None, "authorized", "declined")


def order(status: str = "Payment processing", rejected_reason: str = "") -> Order:
    return Order("T100000001", "C100000001", status, 7998, "EUR", "tok_ok", rejected_reason)


def charge(status: str | None, amount: int = 7998, currency: str = "EUR") -> Charge | None:
    return Charge(status, amount, currency, "ch-1") if status else None


def test_every_backend_status_and_charge_status_has_a_step():
    assert set(STEPS) == set(STATUSES) == {*AWAITING, *NEEDS_NOTHING, *FAILED}
    assert all(set(row) == set(CHARGE_STATUSES) for row in STEPS.values())


EXPECTED = [
    *((status, None, Step.CHARGE) for status in AWAITING),
    *((status, "authorized", Step.AUTHORIZED) for status in AWAITING),
    *((status, "declined", Step.DECLINED) for status in AWAITING),
    *((status, charge_status, Step.NOTHING) for status, charge_status in product(NEEDS_NOTHING, CHARGE_STATUSES)),
    *((status, charge_status, Step.NOTHING) for status, charge_status in product(FAILED, (None, "declined"))),
]


@pytest.mark.parametrize(("status", "charge_status", "step"), EXPECTED)
def test_the_step_depends_on_order_and_charge(status: str, charge_status: str | None, step: Step):
    assert decide_step(order(status), charge(charge_status)) is step


def test_only_an_order_that_awaits_payment_and_has_no_charge_is_charged():
    charged = {
        (status, charge_status)
        for status, steps in STEPS.items()
        for charge_status, step in steps.items()
        if step is Step.CHARGE
    }
    assert charged == {(status, None) for status in AWAITING}
    assert not any(STATUSES[status].terminal for status in AWAITING)


@pytest.mark.parametrize("reason", ["VOUCHER_UNAVAILABLE", "OUT_OF_STOCK", "A_REASON_OF_A_NEWER_VERSION"])
@pytest.mark.parametrize(("status", "charge_status", "step"), EXPECTED)
def test_an_order_that_has_lost_a_reservation_is_not_charged_and_its_charge_is_reported(
    status: str, charge_status: str | None, step: Step, reason: str
):
    expected = Step.NOTHING if step is Step.CHARGE else step
    assert decide_step(order(status, reason), charge(charge_status)) is expected
    assert zero_charge(Order("T100000001", "C100000001", status, 0, "EUR", "", reason)) is None


@pytest.mark.parametrize("reason", REJECTION_REASONS)
def test_an_order_that_payments_has_rejected_is_charged_by_a_redrive(reason: str):
    assert decide_step(order(rejected_reason=reason), None) is Step.CHARGE


@pytest.mark.parametrize("status", FAILED)
def test_an_authorized_charge_of_a_failed_order_is_a_permanent_failure(status: str):
    with pytest.raises(PermanentFailure, match="CHARGED_AFTER_FAILURE"):
        decide_step(order(status), charge("authorized"))


@pytest.mark.parametrize("status", STEPS)
@pytest.mark.parametrize("other_charge", [charge("authorized", 7999), charge("declined", currency="USD")])
def test_a_charge_with_another_amount_or_currency_is_a_permanent_failure(status: str, other_charge: Charge):
    with pytest.raises(PermanentFailure, match="CHARGE_DIFFERS"):
        decide_step(order(status), other_charge)


@pytest.mark.parametrize("status", ["", "Processing", "payment processing", None])
def test_an_order_with_an_unknown_status_is_a_permanent_failure_without_the_status(status: Any):
    for function in (requires_provider, lambda order: decide_step(order, None)):
        with pytest.raises(PermanentFailure, match="UNKNOWN_STATUS") as failure:
            function(order(status))
        assert not status or status not in failure.value.detail


@pytest.mark.parametrize("status", STEPS)
def test_the_provider_is_required_unless_every_charge_status_has_the_same_step(status: str):
    assert requires_provider(order(status)) is (status not in NEEDS_NOTHING)


def test_the_representation_of_an_order_has_no_payment_token():
    assert "tok_ok" not in repr(order())


@pytest.mark.parametrize("status", STEPS)
@pytest.mark.parametrize("amount", [0, 1])
def test_only_a_free_order_that_awaits_payment_has_a_zero_charge(status: str, amount: int):
    free = Order("T100000001", "C100000001", status, amount, "EUR")
    zero = zero_charge(free)
    assert (zero is not None) == (status in AWAITING and amount == 0)
    if zero:
        assert (zero.amount, zero.charge_id) == (0, "free-T100000001")
        assert decide_step(free, zero) is Step.AUTHORIZED

"""Results of payments: authorized, declined, rejected, late, and those that the payment provider does not confirm."""

from typing import Any

import pytest

from setpieces.events import Event
from setpieces.external import Answer
from tests.unit.orders.checkout import PAYMENT, PAYMENT_DEAD_LETTERS, SUBMIT, Checkout
from tests.unit.orders.data import CORRELATION_ID


@pytest.mark.parametrize("status", ["Card declined", "Validation failed"])
def test_a_payment_that_is_authorized_after_the_order_failed_is_a_dead_letter(checkout: Checkout, status: str):
    checkout.payment_result = "DECLINED"
    if status == "Validation failed":
        checkout.basket, checkout.customer = Answer(404, {}), "C000000001"
    number = checkout.place_and_process()
    data = {"order_number": number, "customer_id": "C000000001", "charge_id": "ch-9", "amount": 1, "currency": "EUR"}
    late = Event(("CHECKOUT", "PAYMENT", "AUTHORIZED"), data, correlation_id=CORRELATION_ID)
    checkout.send(PAYMENT, {"detail": late.detail()})
    checkout.deliver(PAYMENT)
    (dead_letter,) = checkout.queues[PAYMENT_DEAD_LETTERS]
    assert dead_letter.attributes["reason"] == "AUTHORIZED_AFTER_FAILURE"
    assert "ch-9" in dead_letter.attributes["detail"]
    checkout.assert_one_order(number, status)


def test_the_payment_of_a_rejected_order_is_not_requested_again(checkout: Checkout):
    checkout.payment_result = "REJECTED"
    number = checkout.submit_until_accepted()
    for _ in range(3):
        checkout.deliver_all()
        checkout.sweep()
    order = checkout.order(number)
    assert (order["backend_status"], order["rejected_reason"]) == ("Payment processing", "CHARGE_DIFFERS")
    assert (order["in_progress"], order["payment_token"]) == ("rejected", "tok_ok")
    assert [event.kind[2] for event in checkout.published] == ["SUBMIT"]
    # An operator has corrected the cause and redriven Order submit from the dead letters of payments.
    checkout.publish_payment_result(checkout.published[0], "AUTHORIZED")
    checkout.deliver_all()
    checkout.assert_one_order(number, "Sent to fulfillment")


@pytest.mark.parametrize(
    "difference", [{"charge_id": "ch-9"}, {"amount": 1}, {"currency": "USD"}, {"status": "declined"}, None], ids=str
)
def test_a_payment_that_differs_from_the_providers_charge_does_not_complete_the_order(
    checkout: Checkout, difference: dict[str, Any] | None
):
    """The event may be forged, or about another charge; without ``difference`` the provider has no charge at all."""
    number = checkout.submit_until_accepted()
    checkout.deliver(SUBMIT)
    (message,) = checkout.queues[PAYMENT]
    charge = {"status": "authorized", **checkout.payments[number].data}
    checkout.charge = Answer(404, {}) if difference is None else Answer(200, charge | difference)
    for _ in range(3):
        checkout.deliver(PAYMENT)
        # The provider's record may appear late.
        assert (len(checkout.queues[PAYMENT]), checkout.queues[PAYMENT_DEAD_LETTERS]) == (1, [])
    checkout.deliver(PAYMENT)
    (dead_letter,) = checkout.queues[PAYMENT_DEAD_LETTERS]
    assert (dead_letter.body, dead_letter.attributes["reason"]) == (message.body, "CHARGE_NOT_HELD")
    assert (checkout.order(number)["backend_status"], checkout.platform_orders) == ("Payment processing", {})
    assert checkout.order(number)["payment_token"] == "tok_ok"


def test_an_order_that_differs_from_the_platforms_is_rejected_once_and_waits_for_an_operator(checkout: Checkout):
    number = checkout.place_differing_order()
    order = checkout.order(number)
    assert (order["backend_status"], order["rejected_reason"]) == ("Payment authorized", "ORDER_DIFFERS")
    # Its customer still sees Processing; it is neither swept nor removed.
    assert (checkout.public_statuses(number), order["expires_at"]) == (["Processing"], 9_999_999_999)
    (dead_letter,) = [message for messages in checkout.queues.values() for message in messages]
    assert checkout.queues[PAYMENT_DEAD_LETTERS] == [dead_letter]
    assert dead_letter.attributes["reason"] == "ORDER_DIFFERS"
    # A late copy of its message does not put it on the platform again.
    puts = checkout.faults.calls.count("put order")
    checkout.send(SUBMIT, {"order_number": number})
    checkout.deliver_all()
    assert checkout.faults.calls.count("put order") == puts

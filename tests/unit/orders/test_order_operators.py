"""Operators redrive and cancel orders that have failed or were rejected: docs/runbooks/redrive-orders.md."""

from setpieces.external import Answer
from tests.faults import Faults
from tests.unit.orders.checkout import PARKED, SUBMIT, Checkout
from tests.unit.orders.data import BASKET


def test_an_order_that_cannot_be_validated_fails_and_is_completed_by_a_redrive(checkout: Checkout):
    checkout.basket = Answer(500, {})
    number = checkout.submit_until_accepted()
    checkout.deliver_all()
    assert checkout.order(number)["reason_code"] == "PROCESSING_FAILED"
    # A redrive needs it.
    assert checkout.order(number)["payment_token"] == "tok_ok"
    (parked,) = checkout.queues[PARKED]
    checkout.basket = Answer(200, BASKET)
    # A late copy of the message before it was a dead letter changes nothing.
    checkout.send(SUBMIT, {"order_number": number}, **parked.attributes)
    checkout.deliver_all()
    assert checkout.public_statuses(number) == ["Processing", "Failed"]
    checkout.queues[SUBMIT].append(parked.copy())
    checkout.deliver_all()
    assert checkout.public_statuses(number) == ["Processing", "Failed", "Processing", "Complete"]
    assert len(checkout.payments) == 1


def test_a_redrive_continues_an_order_that_the_sdk_reopened_twice(checkout: Checkout, faults: Faults):
    checkout.basket = Answer(500, {})
    number = checkout.submit_until_accepted()
    checkout.deliver_all()
    (parked,) = checkout.queues[PARKED]
    checkout.basket = Answer(200, BASKET)
    faults.lose_response("UpdateItem")
    checkout.queues[SUBMIT].append(parked.copy())
    checkout.deliver_all()
    assert checkout.order(number)["backend_status"] == "Sent to fulfillment"


def test_a_rejected_order_is_completed_by_a_redrive_once_its_cause_is_corrected(checkout: Checkout):
    number = checkout.place_differing_order()
    checkout.platform_orders.clear()
    checkout.send(SUBMIT, {"order_number": number, "redrive": True})
    checkout.deliver_all()
    assert checkout.order(number)["backend_status"] == "Sent to fulfillment"
    assert checkout.public_statuses(number) == ["Processing", "Complete"]
    assert len(checkout.payments) == 1


def test_a_cancelled_order_is_not_reopened_by_a_redrive(checkout: Checkout):
    number = checkout.place_differing_order()
    for command in ({"cancel": True, "redrive": True}, {"redrive": True}, {}):
        checkout.send(SUBMIT, {"order_number": number} | command)
        checkout.deliver_all()
    order = checkout.order(number)
    assert (order["backend_status"], order["reason_code"]) == ("Cancelled", "PROCESSING_FAILED")
    assert checkout.public_statuses(number) == ["Processing", "Failed"]

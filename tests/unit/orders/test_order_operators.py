"""Operators redrive and cancel orders that have failed or were rejected: docs/runbooks/redrive-orders.md."""

from typing import cast

import pytest

from orders.clients.commerce import put_order
from orders.domain.locks import ReservationClosed
from orders.events import COMPLETE
from orders.repository import orders
from orders.repository.orders import StoredOrder
from orders.workflow.fulfillment import advance_order, complete_order
from orders.workflow.reservations import close_order, reserve
from setpieces.errors import ExternalUnavailable
from setpieces.external import Answer
from tests.faults import Faults
from tests.unit.orders.checkout import PARKED, STOCK, SUBMIT, SUBMIT_DEAD_LETTERS, Checkout, Message
from tests.unit.orders.data import CODE


def fail_processing(checkout: Checkout) -> tuple[str, Message]:
    """Place an order whose stock cannot be reserved; its number, and the message that is parked for an operator."""
    checkout.confirm(voucher_codes=[CODE])
    checkout.reservation = Answer(500, {})
    number = checkout.submit_until_accepted()
    checkout.deliver_all()
    assert checkout.order(number)["reason_code"] == "PROCESSING_FAILED"
    checkout.reservation = None
    (parked,) = checkout.queues[PARKED]
    return number, parked


def test_an_order_that_cannot_be_validated_fails_and_is_completed_by_a_redrive(checkout: Checkout):
    number, parked = fail_processing(checkout)
    # A redrive needs it.
    assert checkout.order(number)["payment_token"] == "tok_ok"
    # A late copy of the message before it was a dead letter changes nothing.
    checkout.send(SUBMIT, {"order_number": number}, **parked.attributes)
    checkout.deliver_all()
    assert checkout.public_statuses(number) == ["Processing", "Failed"]
    checkout.assert_closed(number, is_complete=False)
    checkout.queues[SUBMIT].append(parked.copy())
    checkout.deliver_all()
    assert checkout.public_statuses(number) == ["Processing", "Failed", "Processing", "Complete"]
    assert len(checkout.payments) == 1
    checkout.assert_closed(number, is_complete=True)


def test_a_redrive_continues_an_order_that_the_sdk_reopened_twice(checkout: Checkout, faults: Faults):
    number, parked = fail_processing(checkout)
    faults.lose_response("UpdateItem")
    faults.lose_response("TransactWriteItems")
    checkout.queues[SUBMIT].append(parked.copy())
    checkout.deliver_all()
    assert checkout.order(number)["backend_status"] == "Sent to fulfillment"


def test_a_redrive_waits_on_the_parked_queue_while_another_order_of_the_basket_is_in_progress(checkout: Checkout):
    number, parked = fail_processing(checkout)
    checkout.confirm()
    other = str(checkout.submit(key=None).body["order_number"])
    checkout.queues[PARKED].clear()
    for _ in range(2):
        checkout.queues[SUBMIT].insert(0, parked.copy())
        checkout.deliver(SUBMIT)
        checkout.deliver(SUBMIT_DEAD_LETTERS)
        assert checkout.order(number)["backend_status"] == "Validation failed"
        (again,) = checkout.queues[PARKED]
        assert (again.body, again.attributes["reason"]) == (parked.body, "BASKET_ORDERED")
        checkout.queues[PARKED].clear()
    checkout.deliver_all()
    assert checkout.order(other)["backend_status"] == "Sent to fulfillment"
    checkout.assert_closed(other, is_complete=True)
    checkout.queues[SUBMIT].append(again.copy())
    checkout.deliver(SUBMIT)
    assert checkout.order(number)["attempt"] == 1


def test_a_reservation_of_an_earlier_attempt_that_comes_late_does_not_disturb_a_redriven_order(checkout: Checkout):
    """The delivery began before the order failed; it reserves after the order was restarted."""
    checkout.confirm(voucher_codes=[CODE])
    number = checkout.submit_until_accepted()
    stale = checkout.order(number)
    checkout.send(SUBMIT_DEAD_LETTERS, {"order_number": number})
    checkout.deliver(SUBMIT_DEAD_LETTERS)
    checkout.queues[SUBMIT].pop(0)
    checkout.deliver(SUBMIT)
    checkout.assert_closed(number, is_complete=False)
    (parked,) = checkout.queues[PARKED]
    with checkout.service.acting_as("process_order"), pytest.raises(ReservationClosed):
        reserve(cast(StoredOrder, stale))
    checkout.assert_closed(number, is_complete=False)
    checkout.queues[SUBMIT].append(parked.copy())
    checkout.deliver(SUBMIT)
    with checkout.service.acting_as("process_order"):
        assert orders.advance(number, "Validation failed", attempt=stale["attempt"]) is None
        close_order(cast(StoredOrder, stale | {"backend_status": "Validation failed"}))
    assert checkout.order(number)["in_progress"] != ""
    checkout.deliver_all()
    checkout.assert_closed(number, is_complete=True)


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


def pay_for_sold_out_stock(checkout: Checkout) -> str:
    """Place and pay an order whose reserved pieces are gone; its number."""
    checkout.confirm(voucher_codes=[CODE])
    number = checkout.submit_until_accepted()
    checkout.deliver(SUBMIT)
    checkout.stock.held.clear()
    checkout.deliver_all()
    order = checkout.order(number)
    assert (order["backend_status"], order["rejected_reason"]) == ("Payment authorized", "OUT_OF_STOCK")
    return number


def restock(checkout: Checkout) -> None:
    checkout.stock.available = STOCK


def test_a_late_delivery_sells_nothing_after_its_order_was_cancelled(checkout: Checkout):
    """It has loaded the order before, and still has it as paid."""
    number = pay_for_sold_out_stock(checkout)
    stale = {name: value for name, value in checkout.order(number).items() if name != "rejected_reason"}
    restock(checkout)
    checkout.send(SUBMIT, {"order_number": number, "cancel": True})
    checkout.deliver_all()
    published = len(checkout.published)
    with checkout.service.acting_as("process_order"):
        complete_order(cast(StoredOrder, stale))
        advance_order(cast(StoredOrder, stale))
    assert not checkout.platform_orders[number]
    assert len(checkout.published) == published
    assert checkout.order(number)["backend_status"] == "Cancelled"
    checkout.assert_closed(number, is_complete=False)


def test_an_order_that_a_late_delivery_has_put_on_the_platform_is_completed_instead_of_cancelled(checkout: Checkout):
    number = pay_for_sold_out_stock(checkout)
    restock(checkout)
    with checkout.service.acting_as("process_order"):
        put_order(checkout.order(number))
    checkout.send(SUBMIT, {"order_number": number, "cancel": True})
    checkout.deliver_all()
    assert checkout.order(number)["backend_status"] == "Sent to fulfillment"
    checkout.assert_closed(number, is_complete=True)


def test_a_paid_order_whose_stock_was_released_waits_for_an_operator(checkout: Checkout):
    number = checkout.store_order("Payment authorized")
    checkout.stock.release(number, 0)
    checkout.send(SUBMIT, {"order_number": number})
    checkout.deliver(SUBMIT)
    assert checkout.order(number)["rejected_reason"] == "OUT_OF_STOCK"
    (dead_letter,) = checkout.queues[SUBMIT_DEAD_LETTERS]
    assert dead_letter.attributes["reason"] == "OUT_OF_STOCK"
    assert not checkout.platform_orders[number]


def fail_redrive(checkout: Checkout, number: str, parked: Message) -> Message:
    """Redrive an order whose stock still cannot be reserved; the message that is parked once this attempt has failed."""
    checkout.reservation = Answer(500, {})
    checkout.queues[SUBMIT].append(parked.copy())
    checkout.deliver(SUBMIT)
    checkout.sweep()
    checkout.deliver_all()
    assert (checkout.order(number)["attempt"], checkout.order(number)["backend_status"]) == (1, "Validation failed")
    checkout.assert_closed(number, is_complete=False)
    checkout.reservation = None
    (message,) = [each for each in checkout.queues[PARKED] if '"attempt": 1' in each.body]
    return message


def test_a_dead_letter_of_an_earlier_attempt_does_not_fail_a_redriven_order(checkout: Checkout):
    number, parked = fail_processing(checkout)
    checkout.reservation = Answer(500, {})
    checkout.queues[SUBMIT].append(parked.copy())
    checkout.deliver(SUBMIT)
    # An older version sent the last one.
    for body in ({"attempt": 0}, {"attempt": 0, "redrive": True}, {}):
        checkout.send(SUBMIT_DEAD_LETTERS, {"order_number": number} | body)
        checkout.deliver(SUBMIT_DEAD_LETTERS)
        assert (checkout.order(number)["backend_status"], checkout.order(number)["attempt"]) == ("Validating", 1)
    checkout.reservation = None
    checkout.deliver_all()
    checkout.assert_closed(number, is_complete=True)


def test_a_redriven_order_that_fails_again_is_redriven_by_its_new_message(checkout: Checkout):
    number, parked = fail_processing(checkout)
    again = fail_redrive(checkout, number, parked)
    checkout.queues[SUBMIT].append(again.copy())
    checkout.deliver_all()
    assert checkout.order(number)["attempt"] == 2
    checkout.assert_closed(number, is_complete=True)


def test_two_redrives_of_one_attempt_restart_the_order_once(checkout: Checkout):
    number, parked = fail_processing(checkout)
    fail_redrive(checkout, number, parked)
    checkout.queues[SUBMIT].append(parked.copy())
    checkout.deliver_all()
    assert (checkout.order(number)["attempt"], checkout.order(number)["backend_status"]) == (1, "Validation failed")


def test_a_message_that_an_older_version_has_parked_restarts_the_present_attempt(checkout: Checkout):
    number, parked = fail_processing(checkout)
    fail_redrive(checkout, number, parked)
    checkout.send(SUBMIT, {"order_number": number, "redrive": True})
    checkout.deliver_all()
    assert checkout.order(number)["attempt"] == 2
    checkout.assert_closed(number, is_complete=True)


def completions(checkout: Checkout) -> int:
    return sum(event.kind == COMPLETE for event in checkout.published)


def test_an_order_that_is_cancelled_while_the_platform_takes_it_is_not_published_as_complete(
    checkout: Checkout, faults: Faults
):
    """The platform had another order of this number, which its staff has removed, when a late delivery continues."""
    number = checkout.place_differing_order()
    stale = {name: value for name, value in checkout.order(number).items() if name != "rejected_reason"}
    checkout.platform_orders.clear()
    with checkout.service.acting_as("process_order"):
        faults.meanwhile("UpdateItem", lambda: orders.cancel(number))
        complete_order(cast(StoredOrder, stale))
    assert checkout.order(number)["backend_status"] == "Cancelled"
    assert completions(checkout) == 0


@pytest.mark.parametrize("command", [{}, {"redrive": True}, {"cancel": True}, {"cancel": True, "redrive": True}])
def test_a_complete_order_that_was_not_published_is_published_before_it_is_closed(
    checkout: Checkout, command: dict[str, bool]
):
    number = checkout.store_order("Payment authorized")
    with checkout.service.acting_as("process_order"):
        put_order(checkout.order(number))
        orders.advance(number, "Sent to fulfillment")
    checkout.send(SUBMIT, {"order_number": number} | command)
    checkout.deliver(SUBMIT)
    assert "in_progress" not in checkout.order(number)
    assert completions(checkout) == 1


def test_a_sweep_finishes_a_complete_order_that_was_not_published(checkout: Checkout):
    number = checkout.store_order("Payment authorized")
    checkout.send(SUBMIT, {"order_number": number})
    with checkout.faults.fail("PutEvents", ExternalUnavailable("events", "down")):
        checkout.deliver(SUBMIT)
    assert checkout.public_statuses(number) == ["Processing", "Complete"]
    checkout.queues[SUBMIT].clear()
    checkout.sweep()
    checkout.deliver_all()
    assert "in_progress" not in checkout.order(number)
    assert completions(checkout) == 1

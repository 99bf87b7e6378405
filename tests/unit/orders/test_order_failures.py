"""An order from its request to its end, with a crash or a failure at each call, and with several of them."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from setpieces.errors import ExternalUnavailable
from tests.faults import Fault, Faults
from tests.unit.orders.checkout import PAYMENT, SUBMIT, SUBMIT_DEAD_LETTERS, Checkout
from tests.unit.orders.data import CODE, LINES

CALLS = [
    "GetItem",
    "read basket",
    "read product",
    "quote tax",
    "next number",
    "TransactWriteItems",
    "SendMessage",
    "GetItem",
    "basket in_progress",
    "reserve stock",
    "UpdateItem",
    "PutEvents",
    "GetItem",
    "find charge",
    "UpdateItem",
    "put order",
    "UpdateItem",
    "PutEvents",
    "basket complete",
    "TransactWriteItems",
]


QUOTED_CALLS = [
    "GetItem",
    "GetItem",
    "read basket",
    *["read product", "read voucher"],
    "quote tax",
    "next number",
    "TransactWriteItems",
    "SendMessage",
    "GetItem",
    "basket in_progress",
    "voucher reserved",
    "reserve stock",
    "UpdateItem",
    "PutEvents",
    "GetItem",
    "find charge",
    "UpdateItem",
    "put order",
    "UpdateItem",
    "PutEvents",
    "voucher redeemed",
    "basket complete",
    "TransactWriteItems",
]


def test_an_order_takes_no_more_calls_than_necessary(checkout: Checkout):
    number = checkout.place_and_process()
    checkout.assert_one_order(number, "Sent to fulfillment")
    assert checkout.faults.calls == CALLS
    (order,) = checkout.platform_orders[number]
    assert order["lines"] == LINES
    totals = {"subtotal": 3998, "tax": 760, "delivery": 0, "discount": 0, "amount": 4758, "currency": "EUR"}
    assert order["totals"] == totals
    assert order["tax"] == {"source": "quotation", "rate_version": "v"}


@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize("position", range(len(CALLS)))
def test_an_order_is_completed_once_after_a_failure_of_any_call(checkout: Checkout, position: int, fault: Fault):
    checkout.faults.schedule({position: fault})
    checkout.assert_one_order(checkout.place_and_process(), "Sent to fulfillment")
    assert not any(checkout.queues.values())


def test_an_order_of_a_quotation_takes_no_more_calls_than_necessary(checkout: Checkout):
    checkout.confirm(voucher_codes=[CODE])
    number = checkout.place_and_process()
    checkout.assert_one_order(number, "Sent to fulfillment")
    assert [*checkout.faults.calls[:3], *sorted(checkout.faults.calls[3:5]), *checkout.faults.calls[5:]] == QUOTED_CALLS
    (order,) = checkout.platform_orders[number]
    totals = {"subtotal": 3998, "tax": 760, "delivery": 0, "discount": 1000, "amount": 3758, "currency": "EUR"}
    assert order["totals"] == totals
    assert checkout.vouchers[CODE].taken == {number: 1}


@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize("position", [n for n, call in enumerate(QUOTED_CALLS) if not call.startswith("read")])
@pytest.mark.parametrize("result", ["AUTHORIZED", "DECLINED"])
def test_an_order_of_a_quotation_ends_once_and_holds_nothing_after_a_failure_of_any_call(
    checkout: Checkout, result: str, position: int, fault: Fault
):
    checkout.confirm(voucher_codes=[CODE])
    checkout.payment_result = result
    checkout.faults.schedule({position: fault})
    status = "Sent to fulfillment" if result == "AUTHORIZED" else "Card declined"
    checkout.assert_one_order(checkout.place_and_process(), status)
    assert not any(checkout.queues.values())


@pytest.mark.parametrize("position", range(len(CALLS)))
def test_an_order_is_declined_once_after_a_crash_at_any_call(checkout: Checkout, position: int):
    checkout.payment_result = "DECLINED"
    checkout.faults.schedule({position: Fault.CRASH_AFTER})
    number = checkout.place_and_process()
    checkout.assert_one_order(number, "Card declined")
    assert checkout.order(number)["reason_code"] == "PAYMENT_DECLINED"


SETTLING_CALLS = {
    "DECLINED": ["voucher released", "basket failed", "release stock"],
    "AUTHORIZED": ["voucher redeemed", "basket complete"],
}


@pytest.mark.parametrize(
    ("result", "down"), [("DECLINED", n) for n in range(3)] + [("AUTHORIZED", n) for n in range(2)]
)
def test_an_order_that_has_ended_settles_with_all_systems_but_the_one_that_is_down(
    checkout: Checkout, result: str, down: int
):
    calls = SETTLING_CALLS[result]
    checkout.confirm(voucher_codes=[CODE])
    checkout.payment_result = result
    number = checkout.submit_until_accepted()
    with checkout.faults.fail(calls[down], ExternalUnavailable(calls[down], "down")):
        checkout.deliver(SUBMIT)
        checkout.faults.restart()
        checkout.deliver(PAYMENT)
        assert [call for call in checkout.faults.calls if call in calls] == calls
        basket, voucher = checkout.baskets[checkout.order(number)["basket_id"]], checkout.vouchers[CODE]
        assert bool(voucher.held) == (down == 0)
        assert bool(basket.holder) == (down == 1)
        assert "in_progress" in checkout.order(number)
        assert checkout.submit(key=None).body["code"] == "BASKET_ORDERED"
    checkout.deliver_all()
    checkout.assert_closed(number, is_complete=result == "AUTHORIZED")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(faults=st.dictionaries(st.integers(0, 40), st.sampled_from(Fault), max_size=6), data=st.data())
def test_an_order_is_completed_once_after_many_failures_repeated_and_reordered_messages(
    checkout: Checkout, faults: dict[int, Fault], data: st.DataObject
):
    """Hypothesis draws which queue delivers next, and whether it delivers the message again later."""
    checkout.start()
    checkout.faults.schedule(faults)
    number = checkout.submit_until_accepted()
    for _ in range(12):
        queue = data.draw(st.sampled_from([SUBMIT, PAYMENT, SUBMIT_DEAD_LETTERS]))
        messages = checkout.queues[queue]
        if messages and queue != SUBMIT_DEAD_LETTERS and data.draw(st.booleans()):
            messages.append(messages[0].copy())
        checkout.deliver(queue)
    checkout.faults.schedule({})
    checkout.deliver_all()
    checkout.sweep()
    checkout.deliver_all()
    checkout.assert_one_order(number, "Sent to fulfillment")


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    start=st.sampled_from(["Validating", "Payment processing", "Payment authorized"]),
    faults=st.dictionaries(st.integers(0, 13), st.sampled_from(Fault), max_size=6),
)
def test_a_later_delivery_continues_an_order_from_any_status_after_failures(
    checkout: Checkout, start: str, faults: dict[int, Fault]
):
    checkout.start()
    number = checkout.store_order(start)
    checkout.faults.schedule(faults)
    for _ in range(8):
        checkout.send(SUBMIT, {"order_number": number})
        checkout.deliver(SUBMIT)
    status, event = {"Payment authorized": ("Sent to fulfillment", "COMPLETE")}.get(
        start, ("Payment processing", "SUBMIT")
    )
    assert (checkout.order(number)["backend_status"], checkout.published[-1].kind[2]) == (status, event)
    assert len(checkout.statuses[number]) == len(set(checkout.statuses[number]))


@pytest.mark.parametrize("customer", ["", "C000000001"])
@pytest.mark.parametrize("status", ["Sent to fulfillment", "Card declined"])
def test_the_sdk_may_repeat_each_write_whose_answer_was_lost(
    checkout: Checkout, faults: Faults, customer: str, status: str
):
    checkout.customer = customer
    checkout.payment_result = "AUTHORIZED" if status == "Sent to fulfillment" else "DECLINED"
    faults.lose_response("TransactWriteItems")
    faults.lose_response("UpdateItem")
    checkout.assert_one_order(checkout.place_and_process(), status)
    assert len(checkout.payments) == 1

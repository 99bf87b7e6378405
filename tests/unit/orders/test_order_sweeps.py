"""When an order without progress is processed again, and what a sweep does with it."""

from itertools import pairwise
from typing import Any

import pytest

from model.routing import resources, templates
from orders.domain.locks import RENEWAL_SECONDS, RESERVATION_SECONDS
from orders.domain.pricing import MAX_TOTAL
from orders.domain.statuses import REASONS, STATUSES
from orders.domain.sweep_schedule import PAYMENT_SECONDS, remaining_payment_seconds, seconds_to_next_sweep
from orders.handlers.retry_stuck_orders import RENEWED_LIMIT
from orders.workflow import submission
from setpieces.backoff import backoff_seconds
from setpieces.errors import Refused
from setpieces.external import Answer
from tests.unit.orders.checkout import PAYMENT, SUBMIT, Checkout
from tests.unit.orders.data import BASKET, CODE, SNAPSHOT, TAX_QUOTATION

CHANGED_AT = 1_800_000_000
PROCESSING = {"backend_status": "Payment processing", "updated_at": "2027-01-15T08:00:00Z"}


@pytest.mark.parametrize("status", [name for name, status in STATUSES.items() if not status.terminal])
def test_intervals_between_sweeps_double_up_to_an_hour(status: str):
    waits = [seconds_to_next_sweep({"backend_status": status, "sweeps": sweeps}, 300) for sweeps in range(100)]
    first = 600 if status == "Payment processing" else 300
    assert seconds_to_next_sweep({"backend_status": status}, 300) == waits[0] == first
    assert all(later == min(2 * earlier, 3600) for earlier, later in pairwise(waits))


def test_a_stage_may_have_a_longer_first_interval():
    assert [seconds_to_next_sweep(PROCESSING | {"sweeps": sweeps}, 7200) for sweeps in (0, 1)] == [7200, 7200]


@pytest.mark.parametrize(("seconds", "remaining"), [(0, 600), (599, 1), (600, 0), (9000, -8400)])
def test_payment_seconds_remain_from_the_change_to_payment_processing(seconds: int, remaining: int):
    assert remaining_payment_seconds(PROCESSING, CHANGED_AT + seconds) == remaining
    assert remaining_payment_seconds(PROCESSING | {"backend_status": "Validating"}, CHANGED_AT + seconds) == 0


def test_payment_seconds_are_those_that_the_queue_of_payments_allows():
    receives = resources("payments", "AWS::SQS::Queue")["SubmittedQueue"]["RedrivePolicy"]["maxReceiveCount"]
    timeout = templates()["payments"]["Globals"]["Function"]["Timeout"]
    waits = sum(backoff_seconds(delivery) for delivery in range(1, receives))
    assert waits + 8 * receives <= PAYMENT_SECONDS <= waits + timeout * receives


def test_an_order_whose_message_was_lost_is_processed_by_the_first_sweep(
    checkout: Checkout, caplog: pytest.LogCaptureFixture
):
    number = checkout.submit_until_accepted()
    checkout.queues[SUBMIT].clear()
    for _ in range(6):
        checkout.sweep(minutes=1)
    (entry,) = [vars(record) for record in caplog.records if record.message == "order is stuck"]
    assert (entry["order_number"], entry["backend_status"]) == (number, "Validating")
    checkout.deliver_all()
    checkout.assert_one_order(number, "Sent to fulfillment")


def test_a_payment_is_requested_at_growing_intervals_while_payments_is_unavailable(checkout: Checkout):
    """Payments delivers each Order submit nine times; an order whose payment is still tried has no further one."""
    checkout.payment_result = None
    number = checkout.submit_until_accepted()
    minutes: list[int] = []
    for minute in range(6 * 60):
        before = len(checkout.published)
        checkout.deliver_all()
        minutes += [minute] * (len(checkout.published) - before)
        checkout.sweep(minutes=1)
    assert minutes == [0, 10, 20, 40, 80, 140, 200, 260, 320]
    assert checkout.order(number)["sweeps"] == len(minutes) - 1


def test_an_order_of_an_older_version_gets_its_snapshot_when_it_is_processed(checkout: Checkout):
    number = checkout.submit_until_accepted()
    older = {"attempt", *SNAPSHOT}
    order = {name: value for name, value in checkout.order(number).items() if name not in older}
    checkout.service.put("Table", order)
    checkout.unlock(order["basket_id"])
    checkout.deliver_all()
    checkout.assert_one_order(number, "Sent to fulfillment")
    assert SNAPSHOT.items() <= checkout.order(number).items()


@pytest.mark.parametrize(
    ("basket", "quotation", "reason"),
    [
        ({"status": "ordered", "order_number": "T100000009"}, {}, "BASKET_NOT_FOUND"),
        ({}, {"lines": [{"sku": "SP-1", "tax": MAX_TOTAL, "rate": 1900}]}, "QUANTITY_LIMIT"),
        ({"totals": {"amount": 1, "currency": "SEK"}}, {}, "PRICE_CHANGED"),
        ({"items": []}, {}, "EMPTY_BASKET"),
    ],
    ids=["ordered", "total", "currency", "empty"],
)
def test_an_order_of_an_older_version_fails_for_what_a_request_is_refused_for(
    checkout: Checkout, basket: dict[str, Any], quotation: dict[str, Any], reason: str
):
    number = checkout.submit_until_accepted()
    older = {"attempt", *SNAPSHOT}
    order = {name: value for name, value in checkout.order(number).items() if name not in older}
    checkout.service.put("Table", order)
    checkout.unlock(order["basket_id"])
    checkout.basket = Answer(200, BASKET | basket)
    checkout.quotation = Answer(200, TAX_QUOTATION | quotation)
    checkout.deliver_all()
    checkout.assert_one_order(number, "Validation failed")
    assert checkout.order(number)["reason_code"] == reason
    assert not any(checkout.queues.values())


@pytest.mark.parametrize("code", ["UNKNOWN", "DELIVERY_UNAVAILABLE", "BASKET_ORDERED", *REASONS])
def test_any_refusal_is_a_reason_of_an_order_that_was_accepted_before(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch, code: str
):
    def refuse(*_: Any) -> None:
        raise Refused(code)

    monkeypatch.setattr(submission, "quote_basket", refuse)
    with checkout.service.acting_as("process_order"):
        assert submission.snapshot_of_basket("b", {"country": "DE"})["invalid_reason"] in REASONS


def test_the_reservations_of_an_order_in_payment_are_renewed_by_each_sweep(checkout: Checkout):
    checkout.confirm(voucher_codes=[CODE])
    checkout.payment_result = None
    checkout.submit_until_accepted()
    checkout.deliver_all()
    first = checkout.reserved["expires_at"]
    checkout.faults.restart()
    checkout.sweep(minutes=20)
    checkout.deliver_all()
    assert [call for call in checkout.faults.calls if "reserve" in call] == ["voucher reserved", "reserve stock"]
    assert checkout.reserved["expires_at"] > first


@pytest.mark.parametrize("held", ["stock", "voucher"])
def test_an_order_in_payment_that_holds_no_longer_what_it_needs_waits_for_an_operator(checkout: Checkout, held: str):
    checkout.confirm(voucher_codes=[CODE])
    checkout.payment_result = None
    number = checkout.submit_until_accepted()
    checkout.deliver_all()
    if held == "stock":
        checkout.stock.held.clear()
    else:
        checkout.hold_voucher(CODE, "T100000999")
    checkout.sweep(minutes=20)
    checkout.deliver_all()
    order = checkout.order(number)
    assert (order["backend_status"], order["in_progress"]) == ("Payment processing", "rejected")
    assert order["rejected_reason"] == ("OUT_OF_STOCK" if held == "stock" else "VOUCHER_UNAVAILABLE")
    assert len(checkout.published) == 1


@pytest.mark.parametrize("reason", ["ORDER_DIFFERS", "OUT_OF_STOCK", "CHARGE_DIFFERS"])
def test_what_an_order_holds_that_waits_for_an_operator_is_renewed_until_it_is_redriven(
    checkout: Checkout, reason: str
):
    checkout.confirm(voucher_codes=[CODE])
    if reason == "CHARGE_DIFFERS":
        checkout.payment_result = "REJECTED"
    number = checkout.submit_until_accepted()
    checkout.deliver(SUBMIT)
    if reason == "ORDER_DIFFERS":
        checkout.platform_orders[number] = [{"another": "order"}]
    elif reason == "OUT_OF_STOCK":
        checkout.stock.held.clear()
    checkout.deliver_all()
    rejected = checkout.order(number)
    assert (rejected["in_progress"], rejected["rejected_reason"]) == ("rejected", reason)
    checkout.faults.restart()
    for _ in range(RESERVATION_SECONDS // 3600):
        checkout.sweep(minutes=60)
        checkout.deliver_all()
    renewals = RESERVATION_SECONDS // RENEWAL_SECONDS
    assert checkout.faults.calls.count("voucher reserved") == checkout.faults.calls.count("reserve stock") == renewals
    # Nothing else changes, and no message about it becomes a dead letter.
    assert {"put order", "PutEvents"}.isdisjoint(checkout.faults.calls)
    assert checkout.order(number) == rejected | {"check_at": checkout.order(number)["check_at"]}
    assert sum(len(messages) for messages in checkout.queues.values()) == (reason != "CHARGE_DIFFERS")


def test_no_more_rejected_orders_are_renewed_at_once_than_a_run_has_time_for(checkout: Checkout):
    for _ in range(RENEWED_LIMIT + 5):
        number = checkout.store_order("Payment authorized")
        checkout.service.put(
            "Table",
            checkout.order(number) | {"in_progress": "rejected", "rejected_reason": "ORDER_DIFFERS", "check_at": 1},
        )
    checkout.sweep()
    assert len(checkout.queues[SUBMIT]) == RENEWED_LIMIT
    checkout.sweep()
    assert len(checkout.queues[SUBMIT]) == RENEWED_LIMIT + 5
    checkout.sweep()
    assert len(checkout.queues[SUBMIT]) == RENEWED_LIMIT + 5


@pytest.mark.parametrize("rejected", [False, True])
def test_a_paid_order_that_has_lost_its_voucher_is_completed_and_counted(
    checkout: Checkout, capsys: pytest.CaptureFixture[str], rejected: bool
):
    checkout.confirm(voucher_codes=[CODE])
    number = checkout.submit_until_accepted()
    checkout.deliver(SUBMIT)
    if rejected:
        checkout.platform_orders[number] = [{"another": "order"}]
    else:
        checkout.platform_order = Answer(503, {})
    checkout.deliver(PAYMENT)
    assert checkout.order(number)["backend_status"] == "Payment authorized"
    checkout.hold_voucher(CODE, "T100000999")
    checkout.platform_orders.clear()
    checkout.platform_order = None
    for queue in checkout.queues.values():
        queue.clear()
    checkout.send(SUBMIT, {"order_number": number} | ({"redrive": True} if rejected else {}))
    checkout.deliver_all()
    assert checkout.order(number)["backend_status"] == "Sent to fulfillment"
    assert not any(checkout.queues.values())
    assert '"VoucherNotRedeemed":[1.0]' in capsys.readouterr().out

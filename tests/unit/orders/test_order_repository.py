"""Orders in their table: each change in each status, what it removes and keeps, and Idempotency-Keys."""

import itertools
import time
from contextlib import nullcontext
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orders.domain.idempotency import Idempotency
from orders.domain.statuses import PROCESSING_FAILED, REASONS, STATUSES, VALIDATING
from orders.repository import orders as repository
from setpieces.errors import Refused
from tests.faults import Faults
from tests.service import Service
from tests.unit.orders.data import NEW_ORDER, Clock
from tests.unit.orders.stored_orders import load_order, store_order_in

pytestmark = pytest.mark.usefixtures("orders")

DAY_SECONDS = 86_400


def test_a_new_order_has_all_that_processing_needs():
    assert repository.create("T100000001", NEW_ORDER, None)
    order = load_order("T100000001")
    assert NEW_ORDER.items() <= order.items()
    assert order["backend_status"] == VALIDATING
    assert order["expires_at"] > time.time() + 10 * 365 * DAY_SECONDS
    assert order["updated_at"].endswith("Z")


@pytest.mark.parametrize(("owner", "history"), [("C1", {"history_of": "C1"}), ("", {})])
def test_an_order_is_in_the_history_of_its_owner_and_guests_have_none(
    orders: Service, owner: str, history: dict[str, str]
):
    repository.create("T100000001", NEW_ORDER | {"owner": owner}, None)
    stored = next(item for item in orders.items("Table") if item["order_number"] == "T100000001")
    assert {name: value for name, value in stored.items() if name == "history_of"} == history


@pytest.mark.parametrize("status", ["Validating", "Cancelled"])
@pytest.mark.parametrize("has_lines", [False, True])
def test_an_order_gets_a_snapshot_while_it_is_validated_and_has_none(orders: Service, status: str, has_lines: bool):
    number = store_order_in("Validating")
    order = load_order(number) | {"backend_status": status}
    kept = {name: value for name, value in order.items() if has_lines or name != "lines"}
    orders.put("Table", kept)
    stored = repository.add_snapshot(load_order(number), {"lines": [{"sku": "SP-2"}]})
    assert bool(stored) == (status == "Validating" and not has_lines)
    assert stored in (None, load_order(number))
    assert stored or load_order(number) == kept


# --- statuses ---


@pytest.mark.parametrize(("before", "to"), list(itertools.product(STATUSES, STATUSES)))
def test_an_order_advances_only_to_a_status_that_may_follow_its_own(before: str, to: str):
    number = store_order_in(before)
    order_before = load_order(number)
    advanced = repository.advance(number, to, note="x")
    order = load_order(number)
    assert (advanced is not None) == (before in STATUSES[to].after)
    assert advanced in (None, order)
    assert order["backend_status"] == (to if advanced else before)
    assert advanced or order == order_before
    assert "in_progress" in order


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(list(STATUSES)), max_size=25))
def test_no_sequence_of_changes_leaves_a_terminal_status(changes: list[str]):
    number, terminal = store_order_in(VALIDATING), None
    for change in changes:
        repository.advance(number, change)
        status = load_order(number)["backend_status"]
        assert terminal in (None, status)
        terminal = status if STATUSES[status].terminal else None


@pytest.mark.parametrize("status", [name for name, status in STATUSES.items() if status.terminal])
def test_only_an_order_that_is_closed_in_a_terminal_status_expires(status: str):
    """Until then the table is the only record of what is owed to its customer."""
    number = store_order_in(status)
    assert load_order(number)["expires_at"] == repository.NEVER
    order = load_order(number)
    assert repository.close(order)
    assert load_order(number)["expires_at"] - time.time() <= 30 * DAY_SECONDS


@pytest.mark.parametrize("change", [{"backend_status": "Cancelled"}, {"attempt": 1}], ids=str)
def test_an_order_is_closed_once_and_only_as_it_was_settled(orders: Service, change: dict[str, Any]):
    number = store_order_in("Card declined")
    settled = load_order(number)
    orders.put("Table", settled | change)
    assert not repository.close(settled)
    orders.put("Table", dict(settled))
    assert repository.close(settled)
    assert not repository.close(settled)
    assert "in_progress" not in load_order(number)


def test_a_basket_is_locked_by_its_order_until_the_order_is_closed():
    number = store_order_in("Card declined")
    order = load_order(number)
    with pytest.raises(Refused, match="BASKET_ORDERED"):
        repository.create("T200000001", NEW_ORDER | {"basket_id": order["basket_id"]}, None)
    assert repository.is_locked(order["basket_id"])
    repository.close(order)
    assert not repository.is_locked(order["basket_id"])
    assert repository.create("T200000001", NEW_ORDER | {"basket_id": order["basket_id"]}, None)
    # A late close of the first order does not unlock it.
    assert not repository.close(order)
    assert repository.is_locked(order["basket_id"])


def test_an_order_of_an_older_version_locks_no_basket_and_unlocks_none(orders: Service):
    number = store_order_in("Card declined")
    order = {name: value for name, value in load_order(number).items() if name != "attempt"}
    orders.put("Table", order)
    lock = f"basket#{order['basket_id']}"
    assert repository.close(load_order(number))
    assert lock in [item["order_number"] for item in orders.items("Table")]


# --- locks that an older version has left behind ---


def leave_lock(orders: Service, basket_id: str, **order: Any) -> None:
    """Have T100000009, which is ``order``, lock a basket; there is no such order without members."""
    orders.put("Table", {"order_number": f"basket#{basket_id}", "number": "T100000009"})
    if order:
        orders.put("Table", NEW_ORDER | {"order_number": "T100000009", "basket_id": basket_id, **order})


@pytest.mark.parametrize(
    ("holder", "is_locked"),
    [
        ({}, False),
        ({"backend_status": "Card declined"}, False),
        ({"backend_status": "Card declined", "in_progress": "in-progress-9"}, True),
        ({"backend_status": "Validating", "in_progress": "stuck"}, True),
        ({"backend_status": "Payment authorized", "in_progress": "rejected"}, True),
    ],
    ids=str,
)
def test_a_lock_counts_while_its_order_is_in_progress(orders: Service, holder: dict[str, str], is_locked: bool):
    leave_lock(orders, "b", **holder)
    assert repository.is_locked("b") == is_locked
    if is_locked:
        with pytest.raises(Refused, match="BASKET_ORDERED"):
            repository.create("T200000001", NEW_ORDER, None)
        return
    assert repository.create("T200000001", NEW_ORDER, Idempotency(("k1", "k2"), "r"))
    assert repository.is_locked("b")
    with pytest.raises(Refused, match="BASKET_ORDERED"):
        repository.create("T200000002", NEW_ORDER, None)


def test_a_basket_without_a_lock_is_ordered_by_one_call(faults: Faults):
    assert not repository.is_locked("b")
    assert repository.create("T200000001", NEW_ORDER, None)
    assert faults.calls == ["GetItem", "TransactWriteItems"]


def test_an_order_that_left_its_lock_behind_is_not_reopened(orders: Service):
    leave_lock(orders, "b", backend_status="Validation failed", reason_code=PROCESSING_FAILED, attempt=0)
    with pytest.raises(Refused, match="BASKET_ORDERED"):
        repository.reopen(load_order("T100000009"))


def test_a_lock_that_another_order_has_replaced_meanwhile_is_not_replaced_again(orders: Service, faults: Faults):
    leave_lock(orders, "b", backend_status="Card declined")
    faults.meanwhile("TransactWriteItems", lambda: repository.create("T300000001", NEW_ORDER, None), skip=1)
    with pytest.raises(Refused, match="BASKET_ORDERED"):
        repository.create("T200000001", NEW_ORDER, None)
    assert repository.load("T200000001") is None
    assert repository.is_locked("b")


@pytest.mark.parametrize("reason", REASONS)
@pytest.mark.parametrize("status", STATUSES)
def test_a_payment_token_is_kept_only_while_the_order_may_be_charged(status: str, reason: str):
    number = store_order_in(status, reason)
    can_be_redriven = (status, reason) == ("Validation failed", PROCESSING_FAILED)
    is_kept = status in ("Validating", "Payment processing") or can_be_redriven
    assert ("payment_token" in load_order(number)) == is_kept


# --- rejected, reopened and cancelled orders ---


@pytest.mark.parametrize("status", STATUSES)
def test_an_order_is_rejected_only_in_the_status_that_the_reason_is_about(status: str):
    number = store_order_in(status)
    before = load_order(number)
    assert repository.reject(number, "Payment processing", "CHARGE_REFUSED") == (status == "Payment processing")
    order = load_order(number)
    if status == "Payment processing":
        assert order["rejected_reason"] == "CHARGE_REFUSED"
        assert order["in_progress"] == repository.REJECTED
        assert order["expires_at"] == repository.NEVER
    else:
        assert order == before


@pytest.mark.parametrize("status", ["Payment processing", "Payment authorized"])
def test_a_rejected_order_is_reopened_once(status: str):
    number = store_order_in(status)
    repository.reject(number, status, "R")
    assert repository.reopen(load_order(number))
    order = load_order(number)
    assert (order["backend_status"], "rejected_reason" in order) == (status, False)
    assert order["in_progress"] in repository.PARTITIONS
    assert not repository.reopen(load_order(number))


def test_a_rejected_order_that_is_paid_later_is_in_progress_again():
    number = store_order_in("Payment processing")
    repository.reject(number, "Payment processing", "CHARGE_REFUSED")
    assert repository.advance(number, "Payment authorized")
    order = load_order(number)
    assert "rejected_reason" not in order
    assert order["in_progress"] in repository.PARTITIONS


@pytest.mark.parametrize(
    ("status", "reason"),
    [(status, None) for status in STATUSES]
    + [("Validation failed", "EMPTY_BASKET"), ("Validation failed", PROCESSING_FAILED)],
)
def test_only_an_order_whose_processing_failed_is_reopened(status: str, reason: str | None):
    number = store_order_in(status, reason)
    is_reopened = reason == PROCESSING_FAILED
    with pytest.raises(Refused, match="BASKET_ORDERED") if is_reopened else nullcontext():
        assert not repository.reopen(load_order(number)), "it is not closed"
    repository.close(load_order(number))
    assert repository.reopen(load_order(number)) == is_reopened
    order = load_order(number)
    assert order["backend_status"] == (VALIDATING if is_reopened else status)
    if is_reopened:
        assert ("reason_code" in order, order["attempt"]) == (False, 1)
        assert order["in_progress"] in repository.PARTITIONS
        assert repository.is_locked(order["basket_id"])


def test_one_attempt_is_restarted_once():
    number = store_order_in("Validation failed", PROCESSING_FAILED)
    repository.close(load_order(number))
    assert not repository.reopen(load_order(number), 1), "there was no such attempt"
    assert repository.reopen(load_order(number), 0)
    assert repository.advance(number, "Validation failed", attempt=1, reason_code=PROCESSING_FAILED)
    repository.close(load_order(number))
    assert not repository.reopen(load_order(number), 0)
    assert repository.reopen(load_order(number), 1)
    assert load_order(number)["attempt"] == 2


@pytest.mark.parametrize("rejected", [False, True])
@pytest.mark.parametrize("status", STATUSES)
def test_an_order_is_cancelled_while_it_may_be_paid_but_not_while_it_may_be_completed(status: str, rejected: bool):
    number = store_order_in(status)
    rejected = rejected and repository.reject(number, status, "R")
    is_cancelled = status == "Payment processing" or (status == "Payment authorized" and rejected)
    assert repository.cancel(number) == is_cancelled
    order = load_order(number)
    assert order["backend_status"] == ("Cancelled" if is_cancelled else status)
    if is_cancelled:
        assert order["reason_code"] == PROCESSING_FAILED
        assert "payment_token" not in order
        assert not repository.reopen(load_order(number))


def test_a_rejected_order_that_an_older_version_has_cancelled_is_not_reopened(orders: Service):
    """It still has the reason of its rejection."""
    number = store_order_in("Cancelled")
    repository.close(load_order(number))
    orders.put("Table", load_order(number) | {"rejected_reason": "CHARGE_REFUSED"})
    assert not repository.reopen(load_order(number))
    assert "in_progress" not in load_order(number)


# --- Idempotency-Keys ---


def test_a_key_has_one_order():
    key = Idempotency(("k",), "r")
    assert repository.find_by_idempotency_key(key) is None
    assert repository.create("T100000001", NEW_ORDER, key)
    assert not repository.create("T100000002", NEW_ORDER, key)
    assert repository.load("T100000002") is None
    assert repository.find_by_idempotency_key(key) == "T100000001"
    with pytest.raises(Refused, match="IDEMPOTENCY_KEY_REUSED"):
        repository.find_by_idempotency_key(Idempotency(("k",), "other"))


def test_an_expired_key_can_be_used_before_its_item_is_removed(clock: Clock):
    repository.create("T100000001", NEW_ORDER, Idempotency(("k",), "r"))
    clock.now += 31 * DAY_SECONDS
    assert repository.find_by_idempotency_key(Idempotency(("k",), "other")) is None
    assert repository.create("T100000002", NEW_ORDER | {"basket_id": "c"}, Idempotency(("k",), "other"))
    assert repository.find_by_idempotency_key(Idempotency(("k",), "other")) == "T100000002"


def test_the_keys_of_one_request_have_one_order_together():
    assert repository.create("T100000001", NEW_ORDER, Idempotency(("basket",), "r"))
    assert not repository.create("T100000002", NEW_ORDER, Idempotency(("customer", "basket"), "r"))
    assert repository.load("T100000002") is None
    assert repository.find_by_idempotency_key(Idempotency(("customer", "basket"), "r")) == "T100000001"
    assert repository.find_by_idempotency_key(Idempotency(("customer",), "r")) is None

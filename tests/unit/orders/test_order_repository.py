"""Orders in their table: each change in each status, what it removes and keeps, and Idempotency-Keys."""

import itertools
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orders import repository
from orders.domain.idempotency import Idempotency
from orders.domain.statuses import PROCESSING_FAILED, REASONS, STATUSES, VALIDATING
from setpieces.errors import Refused
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
    (stored,) = orders.items("Table")
    assert {name: value for name, value in stored.items() if name == "history_of"} == history


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
    assert ("in_progress" in order) != STATUSES[order["backend_status"]].terminal


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(list(STATUSES)), max_size=25))
def test_no_sequence_of_changes_leaves_a_terminal_status(changes: list[str]):
    number, terminal = store_order_in(VALIDATING), None
    for change in changes:
        repository.advance(number, change)
        status = load_order(number)["backend_status"]
        assert terminal in (None, status)
        terminal = status if STATUSES[status].terminal else None


@pytest.mark.parametrize("status", STATUSES)
def test_only_an_order_in_a_terminal_status_expires(status: str):
    """Until then the table is the only record of what is owed to its customer."""
    seconds = load_order(store_order_in(status))["expires_at"] - time.time()
    assert (seconds <= 30 * DAY_SECONDS) == STATUSES[status].terminal
    assert seconds > 29 * DAY_SECONDS


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
    assert repository.reopen(number)
    order = load_order(number)
    assert (order["backend_status"], "rejected_reason" in order) == (status, False)
    assert order["in_progress"] in repository.PARTITIONS
    assert not repository.reopen(number)


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
    assert repository.reopen(number) == is_reopened
    order = load_order(number)
    assert order["backend_status"] == (VALIDATING if is_reopened else status)
    assert not is_reopened or ("reason_code" not in order and "in_progress" in order)


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
        assert {"in_progress", "payment_token"}.isdisjoint(order)
        assert not repository.reopen(number)


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
    assert repository.create("T100000002", NEW_ORDER, Idempotency(("k",), "other"))
    assert repository.find_by_idempotency_key(Idempotency(("k",), "other")) == "T100000002"


def test_the_keys_of_one_request_have_one_order_together():
    assert repository.create("T100000001", NEW_ORDER, Idempotency(("basket",), "r"))
    assert not repository.create("T100000002", NEW_ORDER, Idempotency(("customer", "basket"), "r"))
    assert repository.load("T100000002") is None
    assert repository.find_by_idempotency_key(Idempotency(("customer", "basket"), "r")) == "T100000001"
    assert repository.find_by_idempotency_key(Idempotency(("customer",), "r")) is None

"""Orders in a table (moto): every change there is, in every status there is."""

import itertools
import time

import boto3
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from moto import mock_aws

from orders import repository
from orders.domain.idempotency import Idempotency
from orders.domain.statuses import PROCESSING_FAILED, REASONS, STATUSES, VALIDATING
from setpieces import aws
from setpieces.dynamodb_types import to_item
from setpieces.errors import Refused
from tests.present import present
from tests.unit.interleave import meanwhile

FACTS = {"customer_id": "C1", "owner": "", "basket_id": "b", "payment_token": "tok_ok", "correlation_id": "c"}


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch):
    for name, value in {
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "TABLE_NAME": "orders",
        "ORDER_DAYS": "30",
        "STUCK_MINUTES": "5",
    }.items():
        monkeypatch.setenv(name, value)
    aws.client.cache_clear()
    with mock_aws():
        boto3.client("dynamodb").create_table(
            TableName="orders",
            AttributeDefinitions=[
                {"AttributeName": "order_number", "AttributeType": "S"},
                {"AttributeName": "in_progress", "AttributeType": "S"},
                {"AttributeName": "check_at", "AttributeType": "N"},
            ],
            KeySchema=[{"AttributeName": "order_number", "KeyType": "HASH"}],
            GlobalSecondaryIndexes=[
                {
                    "IndexName": "in-progress",
                    "KeySchema": [
                        {"AttributeName": "in_progress", "KeyType": "HASH"},
                        {"AttributeName": "check_at", "KeyType": "RANGE"},
                    ],
                    "Projection": {"ProjectionType": "ALL"},
                }
            ],
            BillingMode="PAY_PER_REQUEST",
        )
        yield aws.client("dynamodb")
    aws.client.cache_clear()


def path_to(status: str) -> list[str]:
    path = [status]
    while STATUSES[path[0]].after:
        path.insert(0, STATUSES[path[0]].after[0])
    return path


numbers = itertools.count(100_000_000)


def order_in(status: str) -> str:
    number = f"T{next(numbers)}"
    assert repository.create(number, FACTS, None)
    for step in path_to(status)[1:]:
        assert repository.advance(number, step)
    return number


@pytest.mark.parametrize(("now", "to"), list(itertools.product(STATUSES, STATUSES)))
def test_only_what_may_follow_does(table, now: str, to: str):
    number = order_in(now)
    before = present(repository.load(number))
    moved = repository.advance(number, to, note="x")
    after = present(repository.load(number))
    assert (moved is not None) == (now in STATUSES[to].after)
    assert moved in (None, after)
    assert after["backend_status"] == (to if moved else now)
    assert moved or after == before
    assert ("in_progress" in after) != STATUSES[after["backend_status"]].terminal


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(list(STATUSES)), max_size=25))
def test_no_sequence_of_changes_leaves_a_terminal_status(table, changes: list[str]):
    number, ended = order_in(VALIDATING), None
    for change in changes:
        repository.advance(number, change)
        status = present(repository.load(number))["backend_status"]
        assert ended in (None, status)
        ended = status if STATUSES[status].terminal else None


def test_a_new_order_is_there_with_all_that_processing_needs(table):
    assert repository.create("T100000001", FACTS, None)
    order = present(repository.load("T100000001"))
    assert FACTS.items() <= order.items()
    assert order["backend_status"] == VALIDATING
    assert order["expires_at"] > time.time() + 10 * 365 * 86_400
    assert order["updated_at"].endswith("Z")


@pytest.mark.parametrize("status", STATUSES)
def test_only_an_order_that_has_ended_expires(table, status: str):
    """Until then the table is the only place that knows what its customer is owed."""
    order = present(repository.load(order_in(status)))
    left = order["expires_at"] - time.time()
    assert (left <= 30 * 86_400) == STATUSES[status].terminal
    assert left > 29 * 86_400


def test_an_order_from_before_this_rule_is_kept_once_it_is_stuck(table):
    number = order_in("Payment authorized")
    soon = to_item({":soon": int(time.time()) + 60})
    key = {"order_number": {"S": number}}
    table.update_item(
        TableName="orders", Key=key, UpdateExpression="SET expires_at = :soon", ExpressionAttributeValues=soon
    )
    assert repository.claim_for_sweep(present(repository.load(number)), 300)
    assert present(repository.load(number))["expires_at"] == repository.NEVER


def test_an_order_that_ends_while_a_sweep_looks_at_it_is_left_alone(table, monkeypatch):
    """The index is eventually consistent: it still shows the order to the sweep."""
    number = order_in("Payment authorized")
    seen = present(repository.load(number))
    meanwhile(monkeypatch, "UpdateItem", lambda: repository.advance(number, "Sent to fulfillment"))
    assert not repository.claim_for_sweep(seen, 300)
    order = present(repository.load(number))
    assert (order["check_at"], "in_progress" in order) == (seen["check_at"], False)
    assert order["expires_at"] < repository.NEVER


@pytest.mark.parametrize("status", STATUSES)
def test_an_order_is_rejected_only_in_the_status_that_the_reason_is_about(table, status: str):
    number = order_in(status)
    before = present(repository.load(number))
    assert repository.reject(number, "Payment processing", "CHARGE_REFUSED") == (status == "Payment processing")
    after = present(repository.load(number))
    if status == "Payment processing":
        assert after["rejected_reason"] == "CHARGE_REFUSED"
        assert after["in_progress"] == repository.REJECTED
        assert after["expires_at"] == repository.NEVER
    else:
        assert after == before


def test_a_rejected_order_is_counted_and_not_swept_even_by_a_sweep_that_saw_it_before(table, monkeypatch):
    number = order_in("Payment processing")
    seen = present(repository.load(number))
    later = time.time() + 10_000
    monkeypatch.setattr(repository.time, "time", lambda: later)
    meanwhile(monkeypatch, "UpdateItem", lambda: repository.reject(number, "Payment processing", "CHARGE_REFUSED"))
    assert not repository.claim_for_sweep(seen, 60)
    assert repository.list_due(10) == []
    assert [repository.count_in_partition(name) for name in (repository.STUCK, repository.REJECTED)] == [0, 1]
    repository.cancel(number)
    assert repository.count_in_partition(repository.REJECTED) == 0


@pytest.mark.parametrize("status", ["Payment processing", "Payment authorized"])
def test_a_rejected_order_is_put_back_by_a_person_and_only_once(table, status: str):
    number = order_in(status)
    repository.reject(number, status, "R")
    assert repository.reopen(number)
    order = present(repository.load(number))
    assert (order["backend_status"], "rejected_reason" in order) == (status, False)
    assert order["in_progress"] in repository.PARTITIONS
    assert not repository.reopen(number)


def test_a_rejected_order_that_is_paid_after_all_is_in_progress_again(table):
    number = order_in("Payment processing")
    repository.reject(number, "Payment processing", "CHARGE_REFUSED")
    order = present(repository.advance(number, "Payment authorized"))
    assert "rejected_reason" not in order
    assert order["in_progress"] in repository.PARTITIONS


@pytest.mark.parametrize("rejected", [False, True])
@pytest.mark.parametrize("status", STATUSES)
def test_a_person_cancels_what_may_be_paid_but_nothing_that_may_be_completed_right_now(
    table, status: str, rejected: bool
):
    number = order_in(status)
    rejected = rejected and repository.reject(number, status, "R")
    allowed = status == "Payment processing" or (status == "Payment authorized" and rejected)
    assert repository.cancel(number) == allowed
    order = present(repository.load(number))
    assert order["backend_status"] == ("Cancelled" if allowed else status)
    if allowed:
        assert order["reason_code"] == PROCESSING_FAILED
        assert {"in_progress", "payment_token"}.isdisjoint(order)
        assert not repository.reopen(number)


def test_a_key_has_one_order(table):
    key = Idempotency(("k",), "r")
    assert repository.find_by_idempotency_key(key) is None
    assert repository.create("T100000001", FACTS, key)
    assert not repository.create("T100000002", FACTS, key)
    assert repository.load("T100000002") is None
    assert repository.find_by_idempotency_key(key) == "T100000001"
    with pytest.raises(Refused, match="IDEMPOTENCY_KEY_REUSED"):
        repository.find_by_idempotency_key(Idempotency(("k",), "other"))


def test_a_key_that_has_expired_is_free_though_its_item_is_there(table, monkeypatch):
    key = Idempotency(("k",), "r")
    repository.create("T100000001", FACTS, key)
    later = time.time() + 31 * 86_400
    monkeypatch.setattr(repository.time, "time", lambda: later)
    assert repository.find_by_idempotency_key(Idempotency(("k",), "other")) is None
    assert repository.create("T100000002", FACTS, Idempotency(("k",), "other"))
    assert repository.find_by_idempotency_key(Idempotency(("k",), "other")) == "T100000002"


def test_keys_of_one_request_name_one_order_together(table):
    assert repository.create("T100000001", FACTS, Idempotency(("basket",), "r"))
    assert not repository.create("T100000002", FACTS, Idempotency(("customer", "basket"), "r"))
    assert repository.load("T100000002") is None
    assert repository.find_by_idempotency_key(Idempotency(("customer", "basket"), "r")) == "T100000001"
    assert repository.find_by_idempotency_key(Idempotency(("customer",), "r")) is None


@pytest.mark.parametrize(
    ("status", "reason"),
    [(status, None) for status in STATUSES]
    + [("Validation failed", "EMPTY_BASKET"), ("Validation failed", PROCESSING_FAILED)],
)
def test_only_an_order_that_was_given_up_is_reopened(table, status: str, reason: str | None):
    number = order_in(VALIDATING)
    for step in path_to(status)[1:]:
        repository.advance(number, step, reason_code=reason)
    given_up = reason == PROCESSING_FAILED
    assert repository.reopen(number) == given_up
    order = present(repository.load(number))
    assert order["backend_status"] == (VALIDATING if given_up else status)
    assert not given_up or ("reason_code" not in order and "in_progress" in order)


@pytest.mark.parametrize("reason", REASONS)
@pytest.mark.parametrize("status", STATUSES)
def test_a_payment_token_is_kept_only_while_the_order_may_be_charged(table, status: str, reason: str):
    number = order_in("Validating")
    for step in path_to(status)[1:]:
        repository.advance(number, step, reason_code=reason)
    given_up = (status, reason) == ("Validation failed", PROCESSING_FAILED)
    kept = status in ("Validating", "Payment processing") or given_up
    assert ("payment_token" in present(repository.load(number))) == kept


def test_stuck_orders_are_found_and_claimed_once(table, monkeypatch):
    number, complete = order_in("Payment processing"), order_in("Sent to fulfillment")
    assert repository.list_due(10) == []
    later = time.time() + 400
    monkeypatch.setattr(repository.time, "time", lambda: later)
    (found,) = repository.list_due(10)
    assert found["order_number"] == number
    assert complete != number
    seen = present(repository.load(number))
    assert repository.count_in_partition(repository.STUCK) == 0
    assert repository.claim_for_sweep(seen, 300)
    assert not repository.claim_for_sweep(seen, 300)
    assert (repository.list_due(10), repository.count_in_partition(repository.STUCK)) == ([], 1)
    monkeypatch.setattr(repository.time, "time", lambda: later + 300)
    assert [order["order_number"] for order in repository.list_due(10)] == [number]


@pytest.mark.parametrize("status", ["Payment authorized", "Card declined"])
def test_an_order_that_makes_progress_is_stuck_no_longer(table, status: str):
    number = order_in("Payment processing")
    for sweeps in (1, 2):
        assert repository.claim_for_sweep(present(repository.load(number)), 300)
        assert present(repository.load(number))["sweeps"] == sweeps
    repository.advance(number, status)
    assert repository.count_in_partition(repository.STUCK) == 0
    assert "sweeps" not in present(repository.load(number))


def test_an_order_that_is_only_put_off_is_not_stuck(table):
    number = order_in("Payment processing")
    assert repository.defer_sweep(present(repository.load(number)), 300)
    assert (repository.count_in_partition(repository.STUCK), "sweeps" in present(repository.load(number))) == (0, False)


@pytest.mark.parametrize(("owner", "listed"), [("C1", {"history_of": {"S": "C1"}}), ("", {})])
def test_an_order_is_in_the_history_of_its_owner_and_guests_have_none(table, owner: str, listed: dict):
    repository.create("T100000001", FACTS | {"owner": owner}, None)
    stored = table.get_item(TableName="orders", Key={"order_number": {"S": "T100000001"}})["Item"]
    assert {name: value for name, value in stored.items() if name == "history_of"} == listed


def test_stuck_orders_are_found_under_every_key_of_the_index_the_oldest_first(table, monkeypatch):
    numbers = [f"T10000000{digit}" for digit in (3, 0, 9, 5)]
    now = time.time()
    for age, number in enumerate(numbers):
        monkeypatch.setattr(repository.time, "time", lambda age=age: now + age)
        repository.create(number, FACTS, None)
    keys = {present(repository.load(number))["in_progress"] for number in numbers}
    assert len(keys) == len(numbers)
    assert keys <= set(repository.PARTITIONS)
    # An order from before the index was spread.
    old = to_item({**present(repository.load(numbers[0])), "order_number": "T200000000", "in_progress": "in-progress"})
    table.put_item(TableName="orders", Item=old)
    monkeypatch.setattr(repository.time, "time", lambda: now + 400)
    assert {order["order_number"] for order in repository.list_due(2)} == {numbers[0], "T200000000"}
    assert [order["order_number"] for order in repository.list_due(10)][2:] == numbers[1:]

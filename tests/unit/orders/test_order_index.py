"""The index of orders in progress: which orders a sweep reads from it, claims and counts."""

import itertools
from collections.abc import Mapping
from typing import Any

import pytest

from model.templates import pieces
from orders.domain.statuses import PAYMENT_AUTHORIZED, PAYMENT_PROCESSING, SENT_TO_FULFILLMENT
from orders.repository import orders as repository
from tests.faults import Faults
from tests.service import Service
from tests.unit.orders.data import NEW_ORDER, Clock
from tests.unit.orders.stored_orders import load_order, store_order_in

pytestmark = pytest.mark.usefixtures("orders", "clock")


def test_an_order_that_is_due_is_claimed_once(clock: Clock):
    number = store_order_in("Payment processing")
    assert repository.close(load_order(store_order_in("Sent to fulfillment")))
    assert repository.list_due(10) == []
    clock.now += 400
    (due,) = repository.list_due(10)
    assert due["order_number"] == number
    order = load_order(number)
    assert repository.count_in_partition(repository.STUCK) == 0
    assert repository.claim_for_sweep(order, 300)
    assert not repository.claim_for_sweep(order, 300)
    assert (repository.list_due(10), repository.count_in_partition(repository.STUCK)) == ([], 1)
    clock.now += 300
    assert [due["order_number"] for due in repository.list_due(10)] == [number]


def test_an_entry_of_the_index_has_the_members_of_list_due(clock: Clock):
    number = store_order_in("Payment processing")
    clock.now += 400
    (due,) = repository.list_due(10)
    order = load_order(number)
    members = ("order_number", "in_progress", "check_at", "backend_status", "correlation_id")
    assert due == {name: order[name] for name in members}  # type: ignore[literal-required]


def test_orders_are_listed_from_each_partition_of_the_index_the_oldest_first(orders: Service, clock: Clock):
    numbers = [f"T10000000{digit}" for digit in (3, 0, 9, 5)]
    for number in numbers:
        repository.create(number, NEW_ORDER | {"basket_id": number}, None)
        clock.now += 1
    partitions = {load_order(number)["in_progress"] for number in numbers}
    assert len(partitions) == len(numbers)
    assert partitions <= set(repository.PARTITIONS)
    # An order from before the index had several partitions.
    orders.put("Table", load_order(numbers[0]) | {"order_number": "T200000000", "in_progress": "in-progress"})
    clock.now += 400
    assert {due["order_number"] for due in repository.list_due(2)} == {numbers[0], "T200000000"}
    assert [due["order_number"] for due in repository.list_due(10)][2:] == numbers[1:]


def test_an_order_with_a_time_to_expire_is_kept_once_it_is_stuck(orders: Service, clock: Clock):
    """Orders had one from the start before an order in progress was kept."""
    number = store_order_in("Payment authorized")
    orders.put("Table", load_order(number) | {"expires_at": int(clock.now) + 60})
    assert repository.claim_for_sweep(load_order(number), 300)
    assert load_order(number)["expires_at"] == repository.NEVER


def test_an_order_that_is_closed_during_a_sweep_is_not_claimed(faults: Faults):
    """The index is eventually consistent: the sweep still reads the order from it."""
    number = store_order_in("Sent to fulfillment")
    before = load_order(number)
    faults.meanwhile("UpdateItem", lambda: repository.close(before))
    assert not repository.claim_for_sweep(before, 300)
    order = load_order(number)
    assert (order["check_at"], "in_progress" in order) == (before["check_at"], False)
    assert order["expires_at"] < repository.NEVER


def test_an_order_that_has_ended_is_swept_until_it_is_closed(clock: Clock):
    """What it reserved may not be settled yet."""
    number = store_order_in("Card declined")
    clock.now += 400
    assert [due["order_number"] for due in repository.list_due(10)] == [number]
    assert repository.close(load_order(number))
    assert repository.list_due(10) == []


def test_a_rejected_order_is_counted_and_not_swept_even_if_it_is_rejected_during_the_sweep(
    faults: Faults, clock: Clock
):
    number = store_order_in("Payment processing")
    before = load_order(number)
    clock.now += 10_000
    faults.meanwhile("UpdateItem", lambda: repository.reject(number, "Payment processing", "CHARGE_REFUSED"))
    assert not repository.claim_for_sweep(before, 60)
    assert repository.list_due(10) == []
    assert [repository.count_in_partition(name) for name in (repository.STUCK, repository.REJECTED)] == [0, 1]
    repository.cancel(number)
    assert repository.count_in_partition(repository.REJECTED) == 0


@pytest.mark.parametrize("status", ["Payment authorized", "Card declined"])
def test_an_order_whose_status_changes_is_no_longer_stuck(status: str):
    number = store_order_in("Payment processing")
    for sweeps in (1, 2):
        assert repository.claim_for_sweep(load_order(number), 300)
        assert load_order(number)["sweeps"] == sweeps
    repository.advance(number, status)
    assert repository.count_in_partition(repository.STUCK) == 0
    assert "sweeps" not in load_order(number)


def test_an_order_whose_sweep_is_deferred_is_not_stuck():
    number = store_order_in("Payment processing")
    assert repository.defer_sweep(load_order(number), 300)
    assert (repository.count_in_partition(repository.STUCK), "sweeps" in load_order(number)) == (0, False)


def entry(index: Mapping[str, Any], order: Mapping[str, Any]) -> tuple[list[Any], list[Any]] | None:
    """(key, projected members) of an order in an index; None if it is not in the index."""
    keys = [key["AttributeName"] for key in index["KeySchema"]]
    if not order.keys() >= set(keys):
        return None
    return [order[key] for key in keys], [order.get(name) for name in index["Projection"]["NonKeyAttributes"]]


def index_writes(index: Mapping[str, Any], before: Mapping[str, Any], after: Mapping[str, Any]) -> int:
    """Writes to an index: two if the key changes, none if no projected member does.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html#GSI.ThroughputConsiderations.Writes
    """
    old, new = entry(index, before), entry(index, after)
    if old == new:
        return 0
    return 2 if old and new and old[0] != new[0] else 1


@pytest.mark.parametrize(("owner", "history"), [("c-1", [1, 1, 1, 1, 1]), ("", [0, 0, 0, 0, 0])])
def test_an_order_writes_to_its_indexes_as_often_as_the_docstring_says(owner: str, history: list[int], clock: Clock):
    number = "T100000007"
    versions: list[Mapping[str, Any]] = [{}]
    repository.create(number, NEW_ORDER | {"owner": owner}, None)
    for status in (PAYMENT_PROCESSING, PAYMENT_AUTHORIZED, SENT_TO_FULFILLMENT):
        versions.append(load_order(number))
        clock.now += 1
        repository.advance(number, status)
    versions.append(load_order(number))
    assert repository.close(load_order(number))
    versions.append(load_order(number))
    changes = list(itertools.pairwise(versions))
    indexes = {
        index["IndexName"]: index
        for index in pieces()["orders"].of_type("AWS::DynamoDB::Table")["Table"]["GlobalSecondaryIndexes"]
    }
    assert [index_writes(indexes["in-progress"], *change) for change in changes] == [1, 1, 1, 2, 1]
    assert [index_writes(indexes["history"], *change) for change in changes] == history
    assert "writes to the index six times" in str(repository.__doc__)
    assert "with five writes each" in str(repository.__doc__)

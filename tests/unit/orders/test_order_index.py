"""The index of orders in progress: which orders a sweep reads from it, claims and counts."""

import pytest

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

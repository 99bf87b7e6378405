"""Placing an order while any call fails, before or after its effect."""

from typing import Any

import pytest

from orders import repository
from orders.domain.idempotency import Idempotency
from orders.domain.statuses import STATUSES, VALIDATING
from orders.requests import SubmitOrder
from orders.workflow import submission
from orders.workflow.submission import submit_order
from setpieces import signed_client
from setpieces.errors import ExternalUnavailable, Refused, RetryLater
from setpieces.external import Answer

BASKET = {"items": [{"sku": "SP-1", "quantity": 1, "unit_price": 1}], "totals": {"currency": "EUR"}}
KEY = Idempotency(("k",), "r")


def command(key: Idempotency | None) -> SubmitOrder:
    return SubmitOrder("b", "C1", "tok_ok", {"country": "DE"}, "", key)


class Lost(Exception):
    """The process died, or the answer never came."""


class World:
    """Numbers, table and queue in memory; call number ``fails`` is lost, with its effect if ``after``."""

    def __init__(self) -> None:
        self.fails, self.after, self.calls = -1, False, 0
        self.numbers = 100_000_000
        self.orders: dict[str, Any] = {}
        self.keys: dict[tuple[str, ...], str] = {}
        self.queued: list[str] = []

    def _call(self, effect):
        self.calls += 1
        lost = self.calls - 1 == self.fails
        if lost and not self.after:
            raise Lost
        result = effect()
        if lost:
            raise Lost
        return result

    def next_number(self, *_, **__):
        def effect():
            self.numbers += 1
            return Answer(200, {"value": self.numbers, "formatted": f"T{self.numbers}"})

        return self._call(effect)

    def find_by_idempotency_key(self, key: Idempotency):
        return self._call(lambda: self.keys.get(key.keys))

    def create(self, number, facts, key):
        def effect():
            if key and key.keys in self.keys:
                return False
            self.orders[number] = facts | {"backend_status": VALIDATING}
            if key:
                self.keys[key.keys] = number
            return True

        return self._call(effect)

    def load(self, number):
        return self._call(lambda: self.orders.get(number))

    def enqueue_order(self, number, correlation_id):
        return self._call(lambda: self.queued.append(number))


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()
    monkeypatch.setattr(signed_client, "call", world.next_number)
    monkeypatch.setattr(submission, "read_basket", lambda *_: BASKET)
    monkeypatch.setattr(submission, "enqueue_order", world.enqueue_order)
    for name in ("find_by_idempotency_key", "create", "load"):
        monkeypatch.setattr(repository, name, getattr(world, name))
    return world


def test_stored_first_then_enqueued(world: World):
    number = submit_order(command(KEY))
    assert world.queued == [number] == list(world.orders)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("fails", range(5))
def test_a_client_that_repeats_gets_one_order_that_is_processed(world: World, fails: int, after: bool):
    world.fails, world.after = fails, after
    answered = []
    for _ in range(3):
        try:
            answered.append(submit_order(command(KEY)))
        except (Lost, Refused, RetryLater):
            continue
    assert len(set(answered)) == 1
    assert list(world.orders) == [answered[0]]
    assert answered[0] in world.queued


def test_an_order_that_could_not_be_enqueued_is_accepted_because_the_sweeper_finds_it(world: World):
    world.fails = 2  # number, create, enqueue
    number = submit_order(command(None))
    assert number in world.orders
    assert world.queued == []


def test_who_loses_the_race_for_a_key_gets_the_winners_number(world: World, monkeypatch):
    create = world.create

    def create_after_another_request(number, order, key):
        create("T199999999", order, key)
        return create(number, order, key)

    monkeypatch.setattr(repository, "create", create_after_another_request)
    assert submit_order(command(KEY)) == "T199999999"
    assert list(world.orders) == ["T199999999"]


@pytest.mark.parametrize("status", STATUSES)
def test_a_repeat_enqueues_only_what_still_waits(world: World, status: str):
    number = submit_order(command(KEY))
    world.orders[number]["backend_status"] = status
    assert submit_order(command(KEY)) == number
    assert len(world.queued) == (2 if status == VALIDATING else 1)


@pytest.mark.parametrize("answer", [ExternalUnavailable("sequences", "down"), Answer(409, {}), Answer(403, {})])
def test_without_a_number_there_is_no_order(world: World, monkeypatch, answer):
    def call(*_, **__):
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(signed_client, "call", call)
    with pytest.raises(RetryLater) as error:
        submit_order(command(None))
    assert (error.value.code, error.value.seconds) == ("ORDERS_UNAVAILABLE", 2)
    assert not world.orders

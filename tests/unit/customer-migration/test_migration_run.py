"""A migration against platforms that fail, race and forget: one write, or none."""

import json
import time
from typing import Any

import pytest

from customer_migration import clients, repository, workflow
from customer_migration.clients import TRIES
from customer_migration.handlers.migrate_customer import handler
from customer_migration.repository import Lease
from local.settings import ROOT
from setpieces import sqs_consumer
from setpieces.errors import ExternalUnavailable
from setpieces.external import Answer
from tests.lambda_events import CONTEXT
from tests.present import present

SIGNED_UP = "2026-03-01T12:00:00+00:00"
GONE = Answer(410, None)
SAMPLE = json.loads((ROOT / "events/bus/customer.profile.created.json").read_text())


def created(customer_id: str) -> dict[str, Any]:
    """A message of the customer topic."""
    return {"event": SAMPLE["event"] | {"data": {"customer_id": customer_id}}}


class Crash(BaseException):
    """The process ends here."""


class World:
    """Both platforms and the migration table in memory. Call ``fail_at`` fails with ``error``, before its effect or after."""

    def __init__(self, fail_at: int = -1, error: BaseException | None = None, after: bool = False) -> None:
        self.fail_at, self.error, self.after, self.calls = fail_at, error, after, 0
        self.legacy: dict[str, Any] | None = {"customer_id": "C1", "source_version": 4, "phone": "1"}
        times = dict.fromkeys(("name", "email"), SIGNED_UP)
        self.customer: Any = {"customer_id": "C1", "version": 1, "name": "N", "email": "e", "updated_at": times}
        self.deleted = self.is_down = False
        self.writes: list[dict[str, Any]] = []
        self.migration: dict[str, Any] = {}
        self.leased_until = 0.0
        self.dead: list[str] = []
        self.visible_in: list[int] = []

    def _step(self, effect) -> Any:
        number, self.calls = self.calls, self.calls + 1
        if number == self.fail_at and not self.after:
            raise present(self.error)
        answer = effect()
        if number == self.fail_at:
            raise present(self.error)
        return answer

    # --- the commerce platform, old and new
    def call(self, system, method, *path, timeout, body=None, headers=None) -> Answer:
        if self.is_down:
            self.calls += 1
            raise FAILURES["500"]
        routes = {"legacy": self._get_legacy, "customers": self._get_customer}
        if method == "GET":
            return self._step(routes[path[0]])
        return self._step(lambda: self._put(body, headers["If-Match"]))

    def _get_legacy(self) -> Answer:
        return Answer(200, self.legacy) if self.legacy else Answer(404, None)

    def _get_customer(self) -> Answer:
        if self.deleted:
            return GONE
        return Answer(200, self.customer) if self.customer else Answer(404, None)

    def _put(self, body, if_match) -> Answer:
        if self.deleted:
            return GONE
        if if_match != f'"{self.customer["version"]}"':
            return Answer(412, None)
        self.customer = body | {"version": self.customer["version"] + 1}
        self.writes.append(body)
        return Answer(200, self.customer)

    # --- the migration table
    def acquire(self, customer_id: str) -> Lease | None:
        def effect() -> Lease | None:
            if time.time() < self.leased_until:
                return None
            self.leased_until = time.time() + repository.LEASE_SECONDS
            self.migration["attempts"] = self.migration.get("attempts", 0) + 1
            self.migration.setdefault("status", "PENDING")
            return Lease(customer_id, "me", self.migration.get("source_version") or 0)

        return self._step(effect)

    def release(self, lease: Lease) -> None:
        self._step(lambda: setattr(self, "leased_until", 0.0))

    def finish(self, lease, status, source_version=None, reason=None) -> None:
        def effect() -> None:
            self.migration |= {"status": status, "reason": reason}
            if source_version is not None:
                self.migration["source_version"] = source_version
            self.leased_until = 0.0

        self._step(effect)

    # --- SQS
    def change_message_visibility(self, *, VisibilityTimeout: int, **_: Any) -> None:
        self.visible_in.append(VisibilityTimeout)

    def send_message(self, *, MessageAttributes: dict[str, Any], **_: Any) -> None:
        self.dead.append(MessageAttributes["reason"]["StringValue"])


@pytest.fixture
def enter(monkeypatch):
    """Put the migration into a world."""
    monkeypatch.setenv("MAX_RECEIVES", "20")
    monkeypatch.setenv("QUEUE_URL", "queue")
    monkeypatch.setenv("DEAD_LETTER_QUEUE_URL", "dead")

    def into(world: World) -> World:
        monkeypatch.setattr(clients.external, "call", world.call)
        monkeypatch.setattr(sqs_consumer, "client", lambda _: world)
        for name in ("acquire", "release", "finish"):
            monkeypatch.setattr(workflow.table, name, getattr(world, name))
        return world

    return into


def deliver(receives: int = 1, body: dict[str, Any] | None = None, origin: str = "shop") -> bool:
    """Whether the message is done when it is delivered for the ``receives``-th time."""
    record = {
        "messageId": "m1",
        "receiptHandle": "handle",
        "body": json.dumps(body or created("C1")),
        "attributes": {"ApproximateReceiveCount": str(receives)},
        "messageAttributes": {"origin": {"stringValue": origin, "dataType": "String"}},
    }
    return handler({"Records": [record]}, CONTEXT) == {"batchItemFailures": []}


def test_a_customer_is_migrated_with_one_write(enter):
    world = enter(World())
    assert deliver()
    (written,) = world.writes
    assert (written["phone"], written["source_version"], written["origin"]) == ("1", 4, "migration")
    assert world.migration == {"status": "MIGRATED", "attempts": 1, "source_version": 4, "reason": None}
    # lease, legacy customer, new customer, write, outcome
    assert world.calls == 5


def test_a_repeat_and_an_older_version_write_nothing(enter):
    world = enter(World())
    assert all([deliver(), deliver(2)])
    world.legacy["source_version"] = 3
    assert deliver()
    assert len(world.writes) == 1
    assert world.migration["source_version"] == 4


def test_a_newer_version_is_written_again(enter):
    world = enter(World())
    deliver()
    world.legacy = {"customer_id": "C1", "source_version": 5, "phone": "2"}
    assert deliver()
    assert [write["phone"] for write in world.writes] == ["1", "2"]


FAILURES = {
    "500": ExternalUnavailable("commerce", "answered 500"),
    "time-out": ExternalUnavailable("commerce", "no answer", timed_out=True),
    "crash": Crash(),
}


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("fail_at", range(5))
def test_whichever_call_fails_the_customer_is_written_exactly_once(enter, monkeypatch, fail_at, failure, after):
    world = enter(World(fail_at, FAILURES[failure], after))
    done = False
    for receives in range(1, 5):
        try:
            done = deliver(receives)
        except Crash:
            world.leased_until = 0.0  # until the message comes back, the lease is over
        # An error outside the platforms' calls leaves the lease to time.
        world.leased_until = 0.0
        if done:
            break
    assert done
    assert len(world.writes) == 1
    assert world.migration["status"] == "MIGRATED"
    assert world.migration["source_version"] == 4
    assert world.dead == []


def test_a_failure_told_at_once_is_tried_again_at_once(enter):
    world = enter(World(fail_at=1, error=FAILURES["500"]))
    assert deliver()
    assert world.calls == 6


def test_a_slow_platform_is_not_asked_again_by_the_same_delivery(enter):
    world = enter(World(fail_at=1, error=FAILURES["time-out"]))
    assert not deliver()
    # lease, one call, lease given back
    assert (world.calls, world.visible_in) == (3, [2])


def test_a_platform_that_asks_for_patience_gets_it(enter):
    world = enter(World(fail_at=1, error=ExternalUnavailable("commerce", "answered 503", retry_after=30)))
    assert not deliver()
    assert world.visible_in == [30]


def down(world: World) -> World:
    world.is_down = True
    return world


def test_the_waits_grow_and_the_last_attempt_enters_that_it_failed(enter):
    world = enter(down(World()))
    for receives in range(1, 21):
        assert world.migration.get("status") in (None, "PENDING")
        assert not deliver(receives)
    assert world.visible_in == [2, 4, 8, 16, 32, 64, 128, 256] + [300] * 12
    assert (world.migration["status"], world.migration["reason"]) == ("FAILED", "UNAVAILABLE")
    assert world.calls == 20 * (1 + TRIES + 1)


def test_who_was_migrated_stays_migrated_though_a_later_message_fails(enter):
    world = enter(World())
    deliver()
    enter(down(world))
    assert not deliver()
    assert world.migration["status"] == "MIGRATED"


@pytest.mark.parametrize(("missing", "reason"), [("legacy", "NO_LEGACY_CUSTOMER"), ("customer", "NO_NEW_CUSTOMER")])
def test_who_is_not_found_three_times_is_not_found(enter, missing, reason):
    world = enter(World())
    setattr(world, missing, None)
    assert [deliver(receives) for receives in (1, 2, 3)] == [False, False, True]
    assert world.visible_in == [2, 4]
    assert (world.migration["status"], world.migration["reason"]) == ("NOT_FOUND", reason)
    assert (world.writes, world.dead) == ([], [])


def test_who_arrives_late_is_migrated_all_the_same(enter):
    world = enter(World())
    legacy, world.legacy = world.legacy, None
    assert not deliver()
    world.legacy = legacy
    assert deliver(2)
    assert len(world.writes) == 1


@pytest.mark.parametrize("when", ["before", "between"])
def test_a_deleted_customer_does_not_come_back(enter, when):
    world = enter(World())
    world.deleted = when == "before"
    if when == "between":
        read = world._get_customer

        def read_and_delete() -> Answer:
            answer = read()
            world.deleted = True
            return answer

        world._get_customer = read_and_delete
    assert deliver()
    assert world.writes == []
    assert (world.migration["status"], world.migration["reason"]) == ("NOT_FOUND", "DELETED")


def test_who_was_deleted_on_the_legacy_platform_is_left_alone(enter):
    world = enter(World())
    world._get_legacy = lambda: GONE
    assert deliver()
    assert (world.writes, world.migration["reason"]) == ([], "DELETED")


def test_what_the_customer_changes_in_between_is_kept(enter):
    world = enter(World())
    read, edits = world._get_customer, iter(["2"])

    def read_and_edit() -> Answer:
        answer = read()
        for phone in edits:
            times = world.customer["updated_at"] | {"phone": "2026-03-01T12:00:01+00:00"}
            world.customer = world.customer | {"version": 2, "phone": phone, "updated_at": times}
        return answer

    world._get_customer = read_and_edit
    assert deliver()
    (written,) = world.writes
    assert written["phone"] == "2"


def test_who_is_being_migrated_by_another_message_waits(enter):
    world = enter(World())
    world.leased_until = time.time() + 10
    assert not deliver()
    assert world.calls == 1


@pytest.mark.parametrize(
    ("legacy", "reason"),
    [({"source_version": 0}, "INVALID_SOURCE"), ({"source_version": 1, "phone": 1}, "INVALID_SOURCE")],
)
def test_what_no_retry_helps_is_dead_with_its_reason_and_has_failed(enter, legacy, reason):
    world = enter(World())
    world.legacy = legacy
    assert deliver()
    assert world.dead == [reason]
    assert (world.migration["status"], world.migration["reason"]) == ("FAILED", reason)


def test_a_write_that_is_refused_for_good_is_dead(enter):
    world = enter(World())
    world._put = lambda body, if_match: Answer(400, None)
    assert deliver()
    assert world.dead == ["REFUSED"]


def test_an_echo_of_our_own_write_is_left_alone(enter):
    world = enter(World())
    assert deliver(origin="migration")
    assert world.calls == 0


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"event": {}}, "INVALID_EVENT"),
        ({"Message": "enveloped"}, "INVALID_EVENT"),
        (created("C/1"), "INVALID_EVENT"),
        (json.loads((ROOT / "events/bus/customer.session.login.json").read_text()), "UNKNOWN_EVENT"),
    ],
)
def test_what_is_no_message_of_the_topic_is_dead(enter, body, reason):
    world = enter(World())
    assert deliver(body=body)
    assert world.dead == [reason]

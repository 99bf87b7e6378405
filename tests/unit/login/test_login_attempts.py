"""How often a password may be guessed, however attempts interleave."""

from typing import Any

import pytest

from login.repository import attempts as attempts_module
from setpieces.errors import ExternalUnavailable
from setpieces.external import Answer
from tests.unit.interleave import meanwhile
from tests.unit.login.calls import ADA, CREDENTIALS, PER_ADDRESS, PER_CLIENT, call, stored
from tests.unit.lost_answers import repeat

WRONG = Answer(401, {})


@pytest.fixture(autouse=True)
def _one_window(monkeypatch: pytest.MonkeyPatch):
    """No test runs across the end of a window."""
    monkeypatch.setattr(attempts_module, "WINDOW_SECONDS", 10**12)


def guess(world: Any, answer: Any = WRONG, client: str = "192.0.2.1", email: str = CREDENTIALS["email"]) -> int:
    world.answer = answer
    return call("create_session", CREDENTIALS | {"email": email}, client=client)[0]


def test_after_ten_failures_a_client_is_put_off_even_with_the_right_password(world: Any):
    assert {guess(world) for _ in range(PER_CLIENT)} == {401}
    asked = len(world.asked)
    world.answer = Answer(200, ADA)
    status, problem = call("create_session", CREDENTIALS)
    assert (status, problem["code"]) == (429, "TOO_MANY_ATTEMPTS")
    assert len(world.asked) == asked
    assert guess(world, Answer(200, ADA), email="ADA@example.com ") == 429
    assert guess(world, email="somebody@example.com") == 401
    assert guess(world, Answer(200, ADA), client="192.0.2.2") == 201


def test_many_clients_share_the_failures_of_an_address(world: Any):
    answers = [guess(world, client=f"192.0.2.{n}") for n in range(PER_ADDRESS + 1)]
    assert answers == [401] * PER_ADDRESS + [429]


@pytest.mark.parametrize(
    ("answer", "status"), [(Answer(200, ADA), 201), (ExternalUnavailable("identity", "no answer"), 503)]
)
def test_only_failures_count(world: Any, answer: Any, status: int):
    assert {guess(world, answer) for _ in range(PER_ADDRESS + 1)} == {status}


def test_two_at_once_are_not_both_the_last_one(world: Any, monkeypatch):
    for _ in range(PER_CLIENT - 1):
        guess(world)
    others = []
    meanwhile(monkeypatch, "UpdateItem", lambda: others.append(guess(world)), after=True)
    assert guess(world) == 401
    assert others == [429]


def test_a_failure_whose_answer_was_lost_counts_once(world: Any, monkeypatch):
    repeat(monkeypatch, world.dynamodb, "update_item")
    assert [guess(world) for _ in range(PER_CLIENT + 1)] == [401] * PER_CLIENT + [429]


def test_no_address_is_stored(world: Any):
    guess(world)
    items = world.dynamodb.scan(TableName="sessions")["Items"]
    assert items
    assert "example.com" not in str(items)
    assert "192.0.2" not in str(items)
    assert not stored(world)


def test_refused_and_throttled_sign_ins_are_counted(world: Any, monkeypatch):
    counted: list[str] = []
    monkeypatch.setattr(attempts_module, "count", counted.append)
    guess(world, Answer(200, ADA))
    for _ in range(PER_CLIENT + 1):
        guess(world)
    assert counted == ["SignInRefused"] * PER_CLIENT + ["SignInThrottled"]

"""How long sessions live: idle ones end, admins' sooner, and all of a person's at once, however calls interleave."""

import time
from typing import Any

import pytest

from setpieces import sessions
from setpieces.authorizers import Unauthorized
from tests.unit.interleave import meanwhile
from tests.unit.login.calls import (
    ADA,
    ADMIN,
    ADMIN_IDLE_MINUTES,
    ADMIN_MINUTES,
    CREDENTIALS,
    IDLE_MINUTES,
    MINUTES,
    authorize,
    call,
    effect,
    sign_in,
    stored,
)
from tests.unit.lost_answers import repeat


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch):
    """``clock(minutes)`` lets so much time go by."""
    now = [time.time()]
    monkeypatch.setattr(time, "time", lambda: now[0])
    return lambda minutes: now.__setitem__(0, now[0] + 60 * minutes)


def is_alive(token: str) -> bool:
    try:
        return effect(authorize("authorize_guest", f"Bearer {token}")) == "Allow"
    except Unauthorized:
        return False


@pytest.mark.parametrize(("who", "minutes"), [(ADA, IDLE_MINUTES), (ADMIN, ADMIN_IDLE_MINUTES)], ids=["ada", "admin"])
def test_a_session_that_is_not_used_ends(world: Any, clock, who: dict[str, Any], minutes: int):
    used, unused = sign_in(world, who), sign_in(world, who)
    clock(minutes - 1)
    assert is_alive(used)
    clock(2)
    assert is_alive(used)
    assert not is_alive(unused)


@pytest.mark.parametrize(("who", "minutes"), [(ADA, MINUTES), (ADMIN, ADMIN_MINUTES)], ids=["ada", "admin"])
def test_a_session_in_use_ends_at_its_limit(world: Any, clock, who: dict[str, Any], minutes: int):
    token = sign_in(world, who)
    for _ in range(minutes - 1):
        clock(1)
        assert is_alive(token)
    clock(1)
    assert not is_alive(token)


def test_the_end_of_a_session_is_written_twice_in_its_idle_time(world: Any, clock, monkeypatch):
    token = sign_in(world)
    writes: list[dict[str, Any]] = []
    update_item = world.dynamodb.update_item

    def update(**request: Any) -> dict[str, Any]:
        writes.append(request)
        return update_item(**request)

    monkeypatch.setattr(world.dynamodb, "update_item", update)
    for _ in range(IDLE_MINUTES):
        clock(1)
        assert is_alive(token)
    assert len(writes) == 2


def test_a_session_that_is_ended_while_it_is_used_does_not_come_back(world: Any, clock, monkeypatch):
    token = sign_in(world)
    clock(IDLE_MINUTES - 1)
    meanwhile(monkeypatch, "UpdateItem", lambda: call("end_session", token=token))
    assert not is_alive(token)
    assert not stored(world)


@pytest.mark.parametrize("by", ["time", "its person"])
def test_a_session_that_has_ended_cannot_be_signed_out_of(world: Any, clock, by: str):
    token, other = sign_in(world), sign_in(world)
    if by == "time":
        clock(IDLE_MINUTES)
    else:
        call("end_all_sessions", token=other)
    status, problem = call("end_session", token=token)
    assert (status, problem["code"]) == (401, "SESSION_INVALID")


def test_a_person_ends_all_of_their_own_sessions_only(world: Any):
    phone, laptop, admin = sign_in(world), sign_in(world), sign_in(world, ADMIN)
    assert call("end_all_sessions", token=phone) == (204, None)
    assert [is_alive(token) for token in (phone, laptop, admin)] == [False, False, True]
    assert is_alive(sign_in(world))
    status, problem = call("end_all_sessions", token=laptop)
    assert (status, problem["code"]) == (401, "SESSION_INVALID")


def test_an_admin_ends_the_sessions_of_an_identity(world: Any):
    token = sign_in(world)
    assert call("end_all_sessions", identity_id="somebody-else")[0] == 204
    assert is_alive(token)
    assert call("end_all_sessions", identity_id=ADA["identity_id"])[0] == 204
    assert not is_alive(token)


@pytest.mark.parametrize("identity_id", ["", "a/b", "x" * 129, "a%2Fb"])
def test_an_invalid_identity_id_is_a_400(world: Any, identity_id: str):
    status, problem = call("end_all_sessions", identity_id=identity_id)
    assert (status, problem["errors"][0]["pointer"]) == (400, "/identity_id")


@pytest.mark.parametrize(("operation", "skip"), [("UpdateItem", 0), ("UpdateItem", 1), ("GetItem", 0), ("PutItem", 0)])
@pytest.mark.parametrize("after", [False, True])
def test_a_sign_in_whose_password_was_checked_before_all_sessions_ended_opens_nothing(
    world: Any, monkeypatch, operation: str, skip: int, after: bool
):
    """Somebody else may have signed in with a password that has been changed since."""
    sign_in(world)
    meanwhile(monkeypatch, operation, lambda: sessions_end(world), after=after, skip=skip)
    status, answer = call("create_session", CREDENTIALS)
    if status == 201:
        assert not is_alive(answer["session_token"])
    else:
        assert (status, answer["code"]) == (503, "SESSIONS_ENDED")
        assert len(world.published) == 1
    assert is_alive(sign_in(world))


def sessions_end(world: Any) -> None:
    assert call("end_all_sessions", identity_id=ADA["identity_id"])[0] == 204


def test_a_sign_out_whose_answer_was_lost_is_a_sign_out(world: Any, monkeypatch):
    token = sign_in(world)
    repeat(monkeypatch, world.dynamodb, "delete_item")
    assert call("end_session", token=token) == (204, None)
    assert not is_alive(token)


def test_attributes_of_a_newer_version_are_left_alone(world: Any):
    token = sign_in(world)
    world.dynamodb.update_item(
        TableName="sessions",
        Key={"session_hash": {"S": sessions.session_hash(token)}},
        UpdateExpression="SET of_a_newer_version = :x",
        ExpressionAttributeValues={":x": {"S": "x"}},
    )
    assert is_alive(token)

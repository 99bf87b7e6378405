"""How long sessions live: idle ones end, admins' sooner, and all of a person's at once, however calls interleave."""

import time
from typing import Any

import pytest

from tests.faults import Faults
from tests.unit.login.calls import (
    ADA,
    ADMIN,
    ADMIN_IDLE_MINUTES,
    ADMIN_MINUTES,
    CREDENTIALS,
    IDLE_MINUTES,
    MINUTES,
    Login,
)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch):
    """``clock(minutes)`` lets so much time go by."""
    now = [time.time()]
    monkeypatch.setattr(time, "time", lambda: now[0])
    return lambda minutes: now.__setitem__(0, now[0] + 60 * minutes)


@pytest.mark.parametrize(("who", "minutes"), [(ADA, IDLE_MINUTES), (ADMIN, ADMIN_IDLE_MINUTES)], ids=["ada", "admin"])
def test_a_session_that_is_not_used_ends(login: Login, clock, who: dict[str, Any], minutes: int):
    used, unused = login.sign_in(who), login.sign_in(who)
    clock(minutes - 1)
    assert login.is_alive(used)
    clock(2)
    assert login.is_alive(used)
    assert not login.is_alive(unused)


@pytest.mark.parametrize(("who", "minutes"), [(ADA, MINUTES), (ADMIN, ADMIN_MINUTES)], ids=["ada", "admin"])
def test_a_session_in_use_ends_at_its_limit(login: Login, clock, who: dict[str, Any], minutes: int):
    token = login.sign_in(who)
    for _ in range(minutes - 1):
        clock(1)
        assert login.is_alive(token)
    clock(1)
    assert not login.is_alive(token)


def test_the_end_of_a_session_is_written_twice_in_its_idle_time(login: Login, faults: Faults, clock):
    token = login.sign_in()
    faults.restart()
    for _ in range(IDLE_MINUTES):
        clock(1)
        assert login.is_alive(token)
    assert faults.calls.count("UpdateItem") == 2


def test_a_session_that_is_ended_while_it_is_used_does_not_come_back(login: Login, faults: Faults, clock):
    token = login.sign_in()
    clock(IDLE_MINUTES - 1)
    faults.meanwhile("UpdateItem", lambda: login.call("end_session", token=token))
    assert not login.is_alive(token)
    assert not login.sessions()


@pytest.mark.parametrize("by", ["time", "its person"])
def test_a_session_that_has_ended_cannot_be_signed_out_of(login: Login, clock, by: str):
    token, other = login.sign_in(), login.sign_in()
    if by == "time":
        clock(IDLE_MINUTES)
    else:
        login.call("end_all_sessions", token=other)
    status, _, problem = login.call("end_session", token=token)
    assert (status, problem["code"]) == (401, "SESSION_INVALID")


def test_a_person_ends_all_of_their_own_sessions_only(login: Login):
    phone, laptop, admin = login.sign_in(), login.sign_in(), login.sign_in(ADMIN)
    assert login.call("end_all_sessions", token=phone).status == 204
    assert [login.is_alive(token) for token in (phone, laptop, admin)] == [False, False, True]
    assert login.is_alive(login.sign_in())
    status, _, problem = login.call("end_all_sessions", token=laptop)
    assert (status, problem["code"]) == (401, "SESSION_INVALID")


def test_an_admin_ends_the_sessions_of_an_identity(login: Login):
    token = login.sign_in()
    assert login.call("end_all_sessions", identity_id="somebody-else").status == 204
    assert login.is_alive(token)
    assert login.call("end_all_sessions", identity_id=ADA["identity_id"]).status == 204
    assert not login.is_alive(token)


@pytest.mark.parametrize("identity_id", ["", "a/b", "x" * 129, "a%2Fb"])
def test_an_invalid_identity_id_is_a_400(login: Login, identity_id: str):
    status, _, problem = login.call("end_all_sessions", identity_id=identity_id)
    assert (status, problem["errors"][0]["pointer"]) == (400, "/identity_id")


@pytest.mark.parametrize(("operation", "skip"), [("UpdateItem", 0), ("UpdateItem", 1), ("GetItem", 0), ("PutItem", 0)])
@pytest.mark.parametrize("after", [False, True])
def test_a_sign_in_whose_password_was_checked_before_all_sessions_ended_opens_nothing(
    login: Login, faults: Faults, operation: str, skip: int, after: bool
):
    """Somebody else may have signed in with a password that has been changed since."""
    login.sign_in()
    faults.meanwhile(
        operation, lambda: login.call("end_all_sessions", identity_id=ADA["identity_id"]), after=after, skip=skip
    )
    status, _, answer = login.call("create_session", CREDENTIALS)
    if status == 201:
        assert not login.is_alive(answer["session_token"])
    else:
        assert (status, answer["code"]) == (503, "SESSIONS_ENDED")
        assert len(faults.published()) == 1
    assert login.is_alive(login.sign_in())


def test_a_sign_out_whose_answer_was_lost_is_a_sign_out(login: Login, faults: Faults):
    token = login.sign_in()
    faults.lose_answer("DeleteItem")
    assert login.call("end_session", token=token).status == 204
    assert not login.is_alive(token)


def test_attributes_of_a_newer_version_are_left_alone(login: Login):
    token = login.sign_in()
    login.change_session(token, of_a_newer_version="x")
    assert login.is_alive(token)

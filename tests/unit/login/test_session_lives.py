"""The ends of sessions: when idle, at their limit, or with all sessions of a person, also when calls are concurrent."""

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
    """``clock(minutes)`` moves the time forward."""
    now = [time.time()]
    monkeypatch.setattr(time, "time", lambda: now[0])
    return lambda minutes: now.__setitem__(0, now[0] + 60 * minutes)


@pytest.mark.parametrize(
    ("identity", "minutes"), [(ADA, IDLE_MINUTES), (ADMIN, ADMIN_IDLE_MINUTES)], ids=["ada", "admin"]
)
def test_an_idle_session_ends(login: Login, clock, identity: dict[str, Any], minutes: int):
    used, unused = login.sign_in(identity), login.sign_in(identity)
    clock(minutes - 1)
    assert login.is_alive(used)
    clock(2)
    assert login.is_alive(used)
    assert not login.is_alive(unused)


@pytest.mark.parametrize(("identity", "minutes"), [(ADA, MINUTES), (ADMIN, ADMIN_MINUTES)], ids=["ada", "admin"])
def test_a_session_in_use_ends_at_its_limit(login: Login, clock, identity: dict[str, Any], minutes: int):
    token = login.sign_in(identity)
    for _ in range(minutes - 1):
        clock(1)
        assert login.is_alive(token)
    clock(1)
    assert not login.is_alive(token)


def test_the_expiry_of_a_session_in_use_is_written_twice_in_its_idle_time(login: Login, faults: Faults, clock):
    token = login.sign_in()
    faults.restart()
    for _ in range(IDLE_MINUTES):
        clock(1)
        assert login.is_alive(token)
    assert faults.calls.count("UpdateItem") == 2


def test_a_session_that_is_ended_during_a_request_stays_ended(login: Login, faults: Faults, clock):
    token = login.sign_in()
    clock(IDLE_MINUTES - 1)
    faults.meanwhile("UpdateItem", lambda: login.call("end_session", token=token))
    assert not login.is_alive(token)
    assert not login.sessions()


@pytest.mark.parametrize("ended_by", ["time", "its person"])
def test_signing_out_of_an_ended_session_is_a_401(login: Login, clock, ended_by: str):
    token, other = login.sign_in(), login.sign_in()
    if ended_by == "time":
        clock(IDLE_MINUTES)
    else:
        login.call("end_all_sessions", token=other)
    status, _, problem = login.call("end_session", token=token)
    assert (status, problem["code"]) == (401, "SESSION_INVALID")


def test_a_person_ends_only_their_own_sessions(login: Login):
    phone, laptop, admin = login.sign_in(), login.sign_in(), login.sign_in(ADMIN)
    assert login.call("end_all_sessions", token=phone).status == 204
    assert [login.is_alive(token) for token in (phone, laptop, admin)] == [False, False, True]
    assert login.is_alive(login.sign_in())
    status, _, problem = login.call("end_all_sessions", token=laptop)
    assert (status, problem["code"]) == (401, "SESSION_INVALID")


def test_an_admin_ends_the_sessions_of_an_identity(login: Login):
    token = login.sign_in()
    assert login.call("end_all_sessions", identity_id="another-identity").status == 204
    assert login.is_alive(token)
    assert login.call("end_all_sessions", identity_id=ADA["identity_id"]).status == 204
    assert not login.is_alive(token)


@pytest.mark.parametrize("identity_id", ["", "a/b", "x" * 129, "a%2Fb"])
def test_an_invalid_identity_id_is_a_400(login: Login, identity_id: str):
    status, _, problem = login.call("end_all_sessions", identity_id=identity_id)
    assert (status, problem["errors"][0]["pointer"]) == (400, "/identity_id")


@pytest.mark.parametrize(("operation", "skip"), [("UpdateItem", 0), ("UpdateItem", 1), ("GetItem", 0), ("PutItem", 0)])
@pytest.mark.parametrize("after", [False, True])
def test_a_sign_in_that_began_before_all_sessions_ended_gives_no_valid_session(
    login: Login, faults: Faults, operation: str, skip: int, after: bool
):
    """The password may have been changed since."""
    login.sign_in()
    faults.meanwhile(
        operation, lambda: login.call("end_all_sessions", identity_id=ADA["identity_id"]), after=after, skip=skip
    )
    status, _, response = login.call("create_session", CREDENTIALS)
    if status == 201:
        assert not login.is_alive(response["session_token"])
    else:
        assert (status, response["code"]) == (503, "SESSIONS_ENDED")
        assert len(faults.published()) == 1
    assert login.is_alive(login.sign_in())


def test_a_deletion_whose_response_was_lost_is_a_204(login: Login, faults: Faults):
    token = login.sign_in()
    faults.lose_response("DeleteItem")
    assert login.call("end_session", token=token).status == 204
    assert not login.is_alive(token)


def test_attributes_of_a_newer_version_are_ignored(login: Login):
    token = login.sign_in()
    login.change_session(token, of_a_newer_version="x")
    assert login.is_alive(token)

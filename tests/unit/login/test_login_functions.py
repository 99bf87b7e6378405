"""Signing in and out, and the authorizers of sessions."""

import json
import time
from datetime import datetime
from hashlib import sha256
from typing import Any

import pytest

from setpieces.errors import ExternalUnavailable
from setpieces.external import Answer
from tests.faults import Faults, unreachable
from tests.unit.login.calls import ADA, ADMIN, CREDENTIALS, MINUTES, Login, effect


def test_a_sign_in_stores_the_digest_of_the_token_and_publishes_one_event(login: Login, faults: Faults):
    before = int(time.time())
    status, _, session = login.call("create_session", CREDENTIALS)
    assert (status, session["customer_id"]) == (201, "C1")
    assert login.requests == [CREDENTIALS]
    (item,) = login.sessions()
    assert item["session_hash"] == sha256(session["session_token"].encode()).hexdigest()
    assert session["session_token"] not in json.dumps(item)
    assert before + 60 * MINUTES <= item["ends_at"] <= time.time() + 60 * MINUTES
    assert datetime.fromisoformat(session["expires_at"]).timestamp() == item["ends_at"]
    [event] = faults.published()
    assert (event["source"], event["data"]) == ("service-login-local", {"customer_id": "C1"})


@pytest.mark.parametrize(
    ("email", "password", "requests"),
    [
        (" ADA@Example.com", "correct horse", [CREDENTIALS]),
        ("jose\u0301@b\u00fccher.example", "x", [{"email": "jos\u00e9@xn--bcher-kva.example", "password": "x"}]),
        # An account that is older than the rule of addresses.
        ("A..B@example.com", "x", [{"email": "a..b@example.com", "password": "x"}]),
        ("ada@example.com", "pa\u0308ss", [CREDENTIALS | {"password": each} for each in ("p\u00e4ss", "pa\u0308ss")]),
        ("ada@example.com", "a\u200bb", [CREDENTIALS | {"password": "a\u200bb"}]),
    ],
)
def test_credentials_are_checked_as_accounts_have_them_and_passwords_also_as_typed(
    login: Login, email: str, password: str, requests: list[dict[str, str]]
):
    """Older accounts have hashes of passwords as they were typed."""
    login.answer = Answer(401, {})
    assert login.call("create_session", {"email": email, "password": password}).status == 401
    assert login.requests == requests


def test_every_session_has_its_own_token(login: Login):
    assert len({login.sign_in() for _ in range(20)}) == len(login.sessions()) == 20


def test_a_sign_in_of_an_admin_publishes_no_event(login: Login, faults: Faults):
    login.answer = Answer(200, ADMIN)
    status, _, session = login.call("create_session", CREDENTIALS)
    assert (status, session["customer_id"]) == (201, None)
    assert not faults.published()


def test_a_sign_in_succeeds_while_the_bus_is_down(login: Login, faults: Faults):
    faults.fail("PutEvents", unreachable("events"))
    assert login.call("create_session", CREDENTIALS).status == 201
    assert len(login.sessions()) == 1


UNUSABLE_BODIES: tuple[Any, ...] = ({}, None, [], {"identity_id": "x"}, "text")


@pytest.mark.parametrize(
    ("sign_in", "status", "code"),
    [
        *((Answer(refused, {}), 401, "INVALID_CREDENTIALS") for refused in (400, 401, 404)),
        *((Answer(odd, {}), 503, "IDENTITY_UNAVAILABLE") for odd in (201, 302, 429, 500)),
        *((Answer(200, body), 503, "IDENTITY_UNAVAILABLE") for body in UNUSABLE_BODIES),
        (ExternalUnavailable("identity", "no answer", timed_out=True), 503, "IDENTITY_UNAVAILABLE"),
    ],
)
def test_a_sign_in_without_an_identity_stores_no_session(login: Login, faults: Faults, sign_in, status: int, code: str):
    login.answer = sign_in
    response = login.call("create_session", CREDENTIALS)
    assert (response.status, response.body["code"]) == (status, code)
    assert CREDENTIALS["password"] not in json.dumps(response.body)
    assert not login.sessions()
    assert not faults.published()


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"password": "x"}, "/email"),
        ({"email": "a@example.com"}, "/password"),
        ({"email": 1, "password": "x"}, "/email"),
        ({"email": "", "password": "x"}, "/email"),
        ({"email": "a" * 255, "password": "x"}, "/email"),
        ({"email": "a@example.com", "password": "x" * 257}, "/password"),
        ({"email": "a@example.com", "password": None}, "/password"),
        ({"email": "a@example.com", "password": "x", "roles": ["admin"]}, "/roles"),
    ],
)
def test_malformed_credentials_are_400_without_a_request_to_the_provider(login: Login, body, pointer: str):
    status, _, problem = login.call("create_session", body)
    assert (status, problem["errors"][0]["pointer"]) == (400, pointer)
    assert not login.requests


def test_a_session_ends_once(login: Login):
    token = login.sign_in()
    other = login.sign_in()
    assert login.call("end_session", token=token).status == 204
    status, _, problem = login.call("end_session", token=token)
    assert (status, problem["code"]) == (401, "SESSION_INVALID")
    assert login.call("end_session", token=other).status == 204
    assert login.call("end_session").status == 401


def test_guests_are_allowed_without_a_session_and_customers_with_theirs(login: Login):
    guest = login.authorize("authorize_guest", None)
    assert (effect(guest), guest["context"]["customer_id"]) == ("Allow", "")
    customer = login.authorize("authorize_guest", f"Bearer {login.sign_in()}")
    assert (effect(customer), customer["context"]["customer_id"]) == ("Allow", "C1")


@pytest.mark.parametrize(("identity", "expected"), [(ADMIN, "Allow"), (ADA, "Deny")])
def test_only_the_role_admin_is_allowed_as_an_admin(login: Login, identity, expected: str):
    assert effect(login.authorize("authorize_admin", f"Bearer {login.sign_in(identity)}")) == expected


@pytest.mark.parametrize("function", ["authorize_guest", "authorize_admin"])
def test_an_authorizer_refuses_everything_but_a_valid_session(login: Login, function: str):
    ended, expired = login.sign_in(ADMIN), login.sign_in(ADMIN)
    login.call("end_session", token=ended)
    login.change_session(expired, expires_at=int(time.time()))
    for authorization in ("", "Bearer", "Bearer x", f"Basic {ended}", f"Bearer {ended}", f"Bearer {expired}", ended):
        with pytest.raises(Exception, match=r"^Unauthorized$"):
            login.authorize(function, authorization)


def test_an_admin_request_without_a_header_is_unauthorized(login: Login):
    with pytest.raises(Exception, match=r"^Unauthorized$"):
        login.authorize("authorize_admin", None)

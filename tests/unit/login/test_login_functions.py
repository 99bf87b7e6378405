"""Sessions against a table (moto), an identity provider that answers what the test says, and a bus that may be down."""

import json
import time
from datetime import datetime
from hashlib import sha256
from typing import Any

import pytest

from setpieces.errors import ExternalUnavailable
from setpieces.external import Answer
from tests.unit.login.calls import ADA, ADMIN, CREDENTIALS, MINUTES, authorize, call, effect, sign_in, stored


def test_a_session_is_stored_by_its_digest_and_announced_once(world: Any):
    before = int(time.time())
    status, session = call("create_session", CREDENTIALS)
    assert (status, session["customer_id"]) == (201, "C1")
    assert world.asked == [CREDENTIALS]
    (item,) = stored(world)
    assert item["session_hash"]["S"] == sha256(session["session_token"].encode()).hexdigest()
    assert session["session_token"] not in json.dumps(item)
    assert before + 60 * MINUTES <= int(item["ends_at"]["N"]) <= time.time() + 60 * MINUTES
    assert datetime.fromisoformat(session["expires_at"]).timestamp() == int(item["ends_at"]["N"])
    ((source, event),) = world.published
    assert (source, event.data) == ("login", {"customer_id": "C1"})


def test_every_session_has_its_own_token(world: Any):
    assert len({sign_in(world) for _ in range(20)}) == len(stored(world)) == 20


def test_who_is_no_customer_is_not_announced(world: Any):
    world.answer = Answer(200, ADMIN)
    status, session = call("create_session", CREDENTIALS)
    assert (status, session["customer_id"]) == (201, None)
    assert not world.published


def test_a_bus_that_is_down_keeps_nobody_out(world: Any):
    world.bus_fails = True
    assert call("create_session", CREDENTIALS)[0] == 201
    assert len(stored(world)) == 1


UNUSABLE_BODIES: tuple[Any, ...] = ({}, None, [], {"identity_id": "x"}, "text")


@pytest.mark.parametrize(
    ("answer", "status", "code"),
    [
        *((Answer(refused, {}), 401, "INVALID_CREDENTIALS") for refused in (400, 401, 404)),
        *((Answer(odd, {}), 503, "IDENTITY_UNAVAILABLE") for odd in (201, 302, 429, 500)),
        *((Answer(200, body), 503, "IDENTITY_UNAVAILABLE") for body in UNUSABLE_BODIES),
        (ExternalUnavailable("identity", "no answer", timed_out=True), 503, "IDENTITY_UNAVAILABLE"),
    ],
)
def test_no_session_without_an_identity(world: Any, answer, status: int, code: str):
    world.answer = answer
    given, problem = call("create_session", CREDENTIALS)
    assert (given, problem["code"]) == (status, code)
    assert CREDENTIALS["password"] not in json.dumps(problem)
    assert not stored(world)
    assert not world.published


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
def test_malformed_credentials_are_asked_of_nobody(world: Any, body, pointer: str):
    status, problem = call("create_session", body)
    assert (status, problem["errors"][0]["pointer"]) == (400, pointer)
    assert not world.asked


def test_a_session_ends_once(world: Any):
    token = sign_in(world)
    other = sign_in(world)
    assert call("end_session", token=token) == (204, None)
    status, problem = call("end_session", token=token)
    assert (status, problem["code"]) == (401, "SESSION_INVALID")
    assert call("end_session", token=other)[0] == 204
    assert call("end_session")[0] == 401


def test_guests_are_let_in_without_a_session_and_customers_with_theirs(world: Any):
    guest = authorize("authorize_guest", None)
    assert (effect(guest), guest["context"]["customer_id"]) == ("Allow", "")
    customer = authorize("authorize_guest", f"Bearer {sign_in(world)}")
    assert (effect(customer), customer["context"]["customer_id"]) == ("Allow", "C1")


@pytest.mark.parametrize(("identity", "expected"), [(ADMIN, "Allow"), (ADA, "Deny")])
def test_only_the_role_admin_is_an_admin(world: Any, identity, expected: str):
    assert effect(authorize("authorize_admin", f"Bearer {sign_in(world, identity)}")) == expected


@pytest.mark.parametrize("function", ["authorize_guest", "authorize_admin"])
def test_what_is_no_live_session_is_nobodys(world: Any, function: str):
    ended, expired = sign_in(world, ADMIN), sign_in(world, ADMIN)
    call("end_session", token=ended)
    world.dynamodb.update_item(
        TableName="sessions",
        Key={"session_hash": {"S": sha256(expired.encode()).hexdigest()}},
        UpdateExpression="SET expires_at = :now",
        ExpressionAttributeValues={":now": {"N": str(int(time.time()))}},
    )
    for authorization in ("", "Bearer", "Bearer x", f"Basic {ended}", f"Bearer {ended}", f"Bearer {expired}", ended):
        with pytest.raises(Exception, match=r"^Unauthorized$"):
            authorize(function, authorization)


def test_no_header_is_no_admin(world: Any):
    with pytest.raises(Exception, match=r"^Unauthorized$"):
        authorize("authorize_admin", None)

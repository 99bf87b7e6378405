"""Limits on failed sign-ins, also when they are concurrent."""

from typing import Any

import pytest

from login import workflow
from login.repository import sign_ins
from setpieces.errors import ExternalUnavailable
from setpieces.external import Answer
from tests.faults import Faults
from tests.unit.login.calls import ADA, CREDENTIALS, PER_ADDRESS, PER_CLIENT, Login

WRONG = Answer(401, {})


@pytest.fixture(autouse=True)
def _one_window(monkeypatch: pytest.MonkeyPatch):
    """One window for the whole test."""
    monkeypatch.setattr(sign_ins, "WINDOW_SECONDS", 10**12)


def guess(login: Login, response: Any = WRONG, client: str = "192.0.2.1", email: str = CREDENTIALS["email"]) -> int:
    login.answer = response
    return login.call("create_session", CREDENTIALS | {"email": email}, client=client).status


def test_after_ten_failures_a_client_is_429_even_with_the_right_password(login: Login):
    assert {guess(login) for _ in range(PER_CLIENT)} == {401}
    requests = len(login.requests)
    login.answer = Answer(200, ADA)
    status, _, problem = login.call("create_session", CREDENTIALS)
    assert (status, problem["code"]) == (429, "TOO_MANY_ATTEMPTS")
    assert len(login.requests) == requests
    assert guess(login, Answer(200, ADA), email="ADA@example.com ") == 429
    assert guess(login, email="another@example.com") == 401
    assert guess(login, Answer(200, ADA), client="192.0.2.2") == 201


def test_many_clients_share_the_failures_of_an_address(login: Login):
    responses = [guess(login, client=f"192.0.2.{n}") for n in range(PER_ADDRESS + 1)]
    assert responses == [401] * PER_ADDRESS + [429]


@pytest.mark.parametrize(
    ("response", "status"), [(Answer(200, ADA), 201), (ExternalUnavailable("identity", "no answer"), 503)]
)
def test_only_wrong_credentials_count(login: Login, response: Any, status: int):
    assert {guess(login, response) for _ in range(PER_ADDRESS + 1)} == {status}


def test_only_one_of_two_concurrent_sign_ins_gets_the_last_attempt(login: Login, faults: Faults):
    for _ in range(PER_CLIENT - 1):
        guess(login)
    concurrent: list[int] = []
    faults.meanwhile("UpdateItem", lambda: concurrent.append(guess(login)), after=True)
    assert guess(login) == 401
    assert concurrent == [429]


def test_a_count_whose_response_was_lost_counts_once(login: Login, faults: Faults):
    faults.lose_response("UpdateItem")
    assert [guess(login) for _ in range(PER_CLIENT + 1)] == [401] * PER_CLIENT + [429]


def test_addresses_are_stored_as_digests(login: Login):
    guess(login)
    items = login.service.items("Table")
    assert items
    assert "example.com" not in str(items)
    assert "192.0.2" not in str(items)
    assert not login.sessions()


def test_refused_and_throttled_sign_ins_are_counted(login: Login, monkeypatch: pytest.MonkeyPatch):
    counted: list[str] = []
    monkeypatch.setattr(workflow, "count", counted.append)
    guess(login, Answer(200, ADA))
    for _ in range(PER_CLIENT + 1):
        guess(login)
    assert counted == ["SessionStarted"] + ["SignInRefused"] * PER_CLIENT + ["SignInThrottled"]

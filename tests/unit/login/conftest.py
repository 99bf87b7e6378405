"""Every test gets a sessions table (moto), an identity provider that answers what the test says, and a bus that may be down."""

from types import SimpleNamespace
from typing import Any

import pytest

from login import clients, events
from setpieces import external
from setpieces.events import PublishFailed
from setpieces.external import Answer
from tests.unit.login.calls import (
    ADA,
    ADMIN_IDLE_MINUTES,
    ADMIN_MINUTES,
    IDLE_MINUTES,
    MINUTES,
    PER_ADDRESS,
    PER_CLIENT,
)
from tests.unit.tables import mocked_table


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch):
    """``answer`` is the identity provider's, or the failure it raises; ``published`` is what the bus was told."""
    state: Any = SimpleNamespace(answer=Answer(200, ADA), asked=[], published=[], bus_fails=False)

    def call(system: str, method: str, *path: str, body: dict[str, Any], timeout: float, repeatable: bool) -> Answer:
        assert (system, method, path) == ("identity", "POST", ("authentications",))
        assert 0 < timeout <= clients.CALL_SECONDS
        state.asked.append(body)
        if isinstance(state.answer, Exception):
            raise state.answer
        return state.answer

    def publish(event: Any, source: str) -> None:
        if state.bus_fails:
            raise PublishFailed("down")
        state.published.append((source, event))

    monkeypatch.setattr(external, "call", call)
    monkeypatch.setattr(events, "publish", publish)
    for name, value in {
        "SESSIONS_TABLE_NAME": "sessions",
        "SESSION_MINUTES": str(MINUTES),
        "IDLE_MINUTES": str(IDLE_MINUTES),
        "ADMIN_SESSION_MINUTES": str(ADMIN_MINUTES),
        "ADMIN_IDLE_MINUTES": str(ADMIN_IDLE_MINUTES),
        "FAILURES_PER_CLIENT": str(PER_CLIENT),
        "FAILURES_PER_ADDRESS": str(PER_ADDRESS),
    }.items():
        monkeypatch.setenv(name, value)
    with mocked_table(monkeypatch, "sessions", "session_hash") as state.dynamodb:
        yield state

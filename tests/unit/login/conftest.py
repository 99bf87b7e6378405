"""The login service as deployed, with shorter sessions."""

from collections.abc import Callable

import pytest

from setpieces import external
from tests.service import Service
from tests.unit.login.calls import ADMIN_IDLE_MINUTES, ADMIN_MINUTES, IDLE_MINUTES, MINUTES, Login


@pytest.fixture
def login(service: Callable[..., Service], monkeypatch: pytest.MonkeyPatch) -> Login:
    minutes = {
        "SESSION_MINUTES": MINUTES,
        "IDLE_MINUTES": IDLE_MINUTES,
        "ADMIN_SESSION_MINUTES": ADMIN_MINUTES,
        "ADMIN_IDLE_MINUTES": ADMIN_IDLE_MINUTES,
    }
    login = Login(service("login", **{name: str(value) for name, value in minutes.items()}))
    monkeypatch.setattr(external, "call", login.identity_provider)
    return login

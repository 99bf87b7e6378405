"""The simulators, which do not sleep."""

from collections.abc import Callable

import pytest

from partners.handlers import simulate
from tests.service import Service
from tests.unit.partners.client import Simulators


@pytest.fixture
def simulators(service: Callable[..., Service], monkeypatch: pytest.MonkeyPatch) -> Simulators:
    delays: list[float] = []
    monkeypatch.setattr(simulate.time, "sleep", delays.append)
    # The hash of a password is slow on purpose.
    return Simulators(service("partners", PASSWORD_HASH_COST="2"), delays)

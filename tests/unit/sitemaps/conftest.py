"""The sitemaps service as deployed, and a commerce platform that sells three products."""

from collections.abc import Callable

import pytest

from setpieces import external
from sitemaps.domain import runs as rules
from tests.service import Service
from tests.unit.sitemaps.runs import ORIGIN, Runs


@pytest.fixture
def runs(service: Callable[..., Service], monkeypatch: pytest.MonkeyPatch) -> Runs:
    runs = Runs(service("sitemaps", ORIGIN=ORIGIN))
    runs.stock(3)
    monkeypatch.setattr(external, "call", runs.platform)
    # Runs of these tests have no execution, unless a test starts one: they hold no lock.
    monkeypatch.setattr(rules, "UNKNOWN_SECONDS", 0)
    return runs

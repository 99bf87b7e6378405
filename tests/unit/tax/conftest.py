"""Instances of the function that quotes taxes as deployed, without a circuit."""

from collections.abc import Callable

import pytest

from setpieces import external
from tax.repository import circuit as circuit_repository
from tests.service import Service
from tests.unit.tax.instances import COOL_DOWN_SECONDS, Instances


@pytest.fixture
def tax(service: Callable[..., Service], monkeypatch: pytest.MonkeyPatch) -> Service:
    monkeypatch.setattr(circuit_repository, "_known", None)
    return service("tax", COOL_DOWN_SECONDS=str(COOL_DOWN_SECONDS))


@pytest.fixture
def instances(tax: Service, monkeypatch: pytest.MonkeyPatch) -> Instances:
    pool = Instances(tax)
    monkeypatch.setattr(external, "call", pool.tax_system)
    monkeypatch.setattr(circuit_repository.time, "time", lambda: pool.now)
    monkeypatch.setattr(circuit_repository.time, "monotonic", lambda: pool.now)
    return pool

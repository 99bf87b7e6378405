"""The basket's functions over moto, and a commerce platform that responds as the test says."""

from types import SimpleNamespace
from typing import Any

import pytest

from basket import clients, domain
from setpieces import external
from setpieces.external import Answer
from tests.service import Service
from tests.unit.basket.data import BASKET, PRODUCT


@pytest.fixture
def commerce(monkeypatch: pytest.MonkeyPatch):
    """The commerce platform: its response, or the failure it raises, and the number of calls."""
    state = SimpleNamespace(answer=Answer(200, PRODUCT), calls=0)

    def call(system: str, method: str, *path: str, timeout: float) -> Answer:
        assert (system, method, path[0]) == ("commerce", "GET", "products")
        assert 0 < timeout <= clients.CALL_SECONDS
        state.calls += 1
        if isinstance(state.answer, Exception):
            raise state.answer
        return state.answer

    monkeypatch.setattr(external, "call", call)
    return state


@pytest.fixture
def baskets(service, monkeypatch: pytest.MonkeyPatch) -> Service:
    # So that tests can name versions.
    monkeypatch.setattr(domain, "first_version", lambda now: 1)
    return service("basket")


@pytest.fixture
def send(baskets: Service):
    """Calls a function; (status, body, headers) of its response."""

    def call(function: str, body: Any = None, sku: str | None = None, basket: str = BASKET, **headers: str):
        path = {"basket_id": basket} | ({"sku": sku} if sku else {})
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        response = baskets.call(function, body, path=path, headers=names)
        return response.status, response.body, response.headers

    return call

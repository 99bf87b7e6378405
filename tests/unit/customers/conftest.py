"""The customers service as deployed, with its partners; every test is one request."""

from collections.abc import Callable

import pytest

from customers import repository
from setpieces import external, observability, signed_client
from tests.faults import Faults
from tests.service import Service
from tests.unit.customers.partners import Partners


@pytest.fixture(autouse=True)
def _correlation():
    observability.begin("test-1")


@pytest.fixture
def customers(service: Callable[..., Service]) -> Service:
    return service("customers", SENDER="shop@example.com")


@pytest.fixture
def partners(customers: Service, faults: Faults, monkeypatch: pytest.MonkeyPatch) -> Partners:
    # A password's digest is slow by design; none of these passwords is worth guessing.
    monkeypatch.setenv("PASSWORD_HASH_COST", "2")
    made = Partners(faults)
    monkeypatch.setattr(external, "call", made.call)
    monkeypatch.setattr(signed_client, "call", made.next_number)
    monkeypatch.setattr(repository, "find", lambda token: made.sign_up)
    faults.restart()
    return made

"""The customers service as deployed, with fakes of the systems that it calls. A test runs under one correlation id."""

from collections.abc import Callable

import pytest

from customers import repository
from setpieces import external, observability, signed_client
from tests.faults import Faults
from tests.service import Service
from tests.unit.customers.partners import Partners


@pytest.fixture(autouse=True)
def _correlation():
    observability.set_correlation_id("test-1")


@pytest.fixture
def customers(service: Callable[..., Service]) -> Service:
    return service("customers", SENDER="shop@example.com")


@pytest.fixture
def partners(customers: Service, faults: Faults, monkeypatch: pytest.MonkeyPatch) -> Partners:
    # A password's digest is slow by design, which no test needs.
    monkeypatch.setenv("PASSWORD_HASH_COST", "2")
    partners = Partners(faults)
    monkeypatch.setattr(external, "call", partners.call)
    monkeypatch.setattr(signed_client, "call", partners.call_sequences)
    monkeypatch.setattr(repository, "use_link", lambda token: partners.sign_up)
    faults.restart()
    return partners

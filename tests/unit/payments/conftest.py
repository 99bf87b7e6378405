"""The payments service as deployed, between the orders service and the payment provider."""

from collections.abc import Callable

import pytest

from setpieces import external, signed_client
from tests.faults import Faults
from tests.service import Service
from tests.unit.payments.authorizations import Authorizations


@pytest.fixture
def authorizations(service: Callable[..., Service], faults: Faults, monkeypatch: pytest.MonkeyPatch) -> Authorizations:
    instance = Authorizations(service("payments"), faults)
    monkeypatch.setattr(signed_client, "call", instance.call_orders)
    monkeypatch.setattr(external, "call", instance.call_provider)
    # The messages of these tests were never received from the queue, so moto knows no receipt of them.
    faults.respond("ChangeMessageVisibility", lambda request: {})
    instance.start()
    return instance

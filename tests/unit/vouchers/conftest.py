"""The service ``vouchers`` as deployed, with a sequences service that leases numbers and an orders service."""

from collections.abc import Callable

import pytest

from setpieces import external, signed_client
from tests.service import Service
from tests.unit.vouchers.batches import ORDERS_URL, SENDER, Batches
from vouchers.domain import chunks


@pytest.fixture
def batches(service: Callable[..., Service], monkeypatch: pytest.MonkeyPatch) -> Batches:
    batches = Batches(service("vouchers", SENDER=SENDER))
    monkeypatch.setattr(signed_client, "call", batches.lease)
    monkeypatch.setattr(external, "send", batches.send)
    batches.service.publish("orders/api-url", ORDERS_URL)
    return batches


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make chunks ten times smaller, for tests that need several of them."""
    monkeypatch.setattr(chunks, "CHUNK_SIZE", chunks.CHUNK_SIZE // 10)

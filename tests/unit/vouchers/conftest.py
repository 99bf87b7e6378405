"""The voucher service as deployed, with a sequences service that leases numbers."""

from collections.abc import Callable

import pytest

from setpieces import signed_client
from tests.service import Service
from tests.unit.vouchers.batches import SENDER, Batches
from vouchers.repository import chunks


@pytest.fixture
def batches(service: Callable[..., Service], monkeypatch: pytest.MonkeyPatch) -> Batches:
    made = Batches(service("vouchers", SENDER=SENDER))
    monkeypatch.setattr(signed_client, "call", made.lease)
    return made


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks are ten times smaller: where several are needed, their number matters and not how many vouchers they hold."""
    monkeypatch.setattr(chunks, "CHUNK", chunks.CHUNK // 10)

"""The orders service as deployed."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from botocore.client import BaseClient

from setpieces import external, signed_client
from tests.faults import Faults
from tests.service import Service
from tests.unit.orders.checkout import Checkout
from tests.unit.orders.data import Clock


@pytest.fixture
def orders(service: Callable[..., Service]) -> Service:
    return service("orders")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    instance = Clock(1_800_000_000)
    monkeypatch.setattr(time, "time", lambda: instance.now)
    return instance


@pytest.fixture
def checkout(orders: Service, faults: Faults, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    instance = Checkout(orders, faults, clock)
    call = vars(BaseClient)["_make_api_call"]

    def call_and_note_statuses(client: Any, operation: str, request: Mapping[str, Any]) -> Any:
        try:
            return call(client, operation, request)
        finally:
            if operation in ("TransactWriteItems", "UpdateItem"):
                instance.note_statuses()

    monkeypatch.setattr(BaseClient, "_make_api_call", call_and_note_statuses)
    monkeypatch.setattr(signed_client, "call", instance.call_service)
    monkeypatch.setattr(external, "call", instance.call_external)
    faults.respond("SendMessage", instance.send_message)
    faults.respond("PutEvents", instance.put_events)
    faults.respond("ChangeMessageVisibility", lambda request: {})
    return instance

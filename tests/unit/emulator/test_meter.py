"""The meter counts the units in DynamoDB's responses."""

import json
import time

import pytest

from local.emulator.meter import Meter


@pytest.fixture
def meter() -> Meter:
    return Meter()


def units(meter: Meter, action: str, response: dict) -> dict[str, float]:
    meter._charge("role", action, response)
    return dict(meter.read()["units"].get("role", {}))


def test_a_write_is_counted_separately_from_its_indexes(meter: Meter):
    indexes = {"by-day": {"CapacityUnits": 2.0}, "by-name": {"CapacityUnits": 1.0}}
    consumed = {"TableName": "orders", "CapacityUnits": 4.0, "GlobalSecondaryIndexes": indexes}
    counts = units(meter, "UpdateItem", {"ConsumedCapacity": consumed})
    assert counts == {"write orders": 1.0, "write orders/by-day": 2.0, "write orders/by-name": 1.0}


def test_a_transaction_is_counted_by_table(meter: Meter):
    consumed = [{"TableName": "orders", "CapacityUnits": 4.0}, {"TableName": "keys", "CapacityUnits": 2.0}]
    assert units(meter, "TransactWriteItems", {"ConsumedCapacity": consumed}) == {
        "write orders": 4.0,
        "write keys": 2.0,
    }


@pytest.mark.parametrize(("length", "steps"), [(10, 1), (4_000, 1), (4_200, 2), (9_000, 3)])
def test_a_read_is_charged_by_four_kilobytes(meter: Meter, length: int, steps: int):
    response = {"Item": {"a": {"S": "x" * length}}, "ConsumedCapacity": {"TableName": "t", "CapacityUnits": 1.0}}
    assert units(meter, "GetItem", response) == {"read t": float(steps)}


def test_reading_is_json(meter: Meter):
    assert json.loads(json.dumps(meter.read())) == {"calls": {}, "units": {}}


def test_it_counts_only_while_enabled(meter: Meter, monkeypatch: pytest.MonkeyPatch):
    assert not meter._counting
    meter.read()
    assert meter._counting
    later = time.monotonic() + 400
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert not meter._counting

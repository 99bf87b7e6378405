"""Validation of records by the schemas of their feeds."""

import pytest

from feeds.domain import records
from feeds.domain.records import validate_record
from feeds.domain.rejections import Rejection
from model.settings import ROOT
from tools import feed_samples

GOOD = {
    "product": {"sku": "S-1", "version": 1, "name": "Tower"},
    "pricing": {"sku": "S-1", "version": 1, "unit_price": 1999, "currency": "EUR"},
    "sku": {"sku": "S-1", "version": 1, "stock": 0},
}


@pytest.fixture(autouse=True)
def schemas(monkeypatch):
    monkeypatch.setattr(records, "SCHEMAS", ROOT / "schemas" / "feeds")


@pytest.mark.parametrize("feed_type", GOOD)
def test_members_outside_the_schema_are_omitted(feed_type):
    assert validate_record(feed_type, GOOD[feed_type] | {"colour": "red", "nested": {"a": [1]}}) == GOOD[feed_type]


@pytest.mark.parametrize("feed_type", GOOD)
def test_samples_are_valid(feed_type):
    for record in feed_samples.records(feed_type, 200):
        assert validate_record(feed_type, record) == record


def test_a_product_may_have_the_price_0():
    record = GOOD["pricing"] | {"unit_price": 0}
    assert validate_record("pricing", record) == record


@pytest.mark.parametrize(
    ("feed_type", "change", "pointer"),
    [
        ("product", {"sku": "../S"}, "/sku"),
        ("product", {"sku": 7}, "/sku"),
        ("product", {"sku": "S-1\n"}, "/sku"),
        ("pricing", {"sku": "S" * 129}, "/sku"),
        ("sku", {"sku": "S 1"}, "/sku"),
        ("product", {"name": ""}, "/name"),
        ("product", {"name": "x" * 121}, "/name"),
        ("product", {"version": 0}, "/version"),
        ("product", {"version": 1.0}, "/version"),
        ("product", {"version": True}, "/version"),
        ("product", {"status": "gone"}, "/status"),
        ("pricing", {"unit_price": -1}, "/unit_price"),
        ("pricing", {"unit_price": "19.99"}, "/unit_price"),
        ("pricing", {"unit_price": float("nan")}, "/unit_price"),
        ("pricing", {"currency": "eur"}, "/currency"),
        ("sku", {"stock": -1}, "/stock"),
        ("sku", {"stock": 1_000_001}, "/stock"),
        ("sku", {"available": "yes"}, "/available"),
    ],
)
def test_a_rejection_points_to_the_invalid_member(feed_type, change, pointer):
    result = validate_record(feed_type, GOOD[feed_type] | change)
    assert isinstance(result, Rejection)
    assert (result.reason, result.pointer) == ("INVALID_RECORD", pointer)


@pytest.mark.parametrize("name", ["sku", "version", "name"])
def test_a_rejection_points_to_the_missing_member(name):
    result = validate_record("product", {key: value for key, value in GOOD["product"].items() if key != name})
    assert isinstance(result, Rejection)
    assert result.pointer == f"/{name}"


def test_an_unpaired_surrogate_is_rejected():
    result = validate_record("product", GOOD["product"] | {"name": "\ud800"})
    assert isinstance(result, Rejection)
    assert result.reason == "INVALID_UNICODE"

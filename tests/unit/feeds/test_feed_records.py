"""Records against the schemas of their feeds."""

import pytest

from feeds.domain import records
from feeds.domain.reader import Rejection
from feeds.domain.records import checked
from local import feed_samples
from local.settings import ROOT

GOOD = {
    "product": {"sku": "S-1", "version": 1, "name": "Tower"},
    "pricing": {"sku": "S-1", "version": 1, "unit_price": 1999, "currency": "EUR"},
    "sku": {"sku": "S-1", "version": 1, "stock": 0},
}


@pytest.fixture(autouse=True)
def schemas(monkeypatch):
    monkeypatch.setattr(records, "SCHEMAS", ROOT / "schemas" / "feeds")


@pytest.mark.parametrize("feed_type", GOOD)
def test_members_that_nobody_knows_are_left_out(feed_type):
    assert checked(feed_type, GOOD[feed_type] | {"colour": "red", "nested": {"a": [1]}}) == GOOD[feed_type]


@pytest.mark.parametrize("feed_type", GOOD)
def test_samples_fit(feed_type):
    for record in feed_samples.records(feed_type, 200):
        assert checked(feed_type, record) == record


@pytest.mark.parametrize(
    ("feed_type", "change", "pointer"),
    [
        ("product", {"sku": "../S"}, "/sku"),
        ("product", {"sku": 7}, "/sku"),
        ("product", {"name": ""}, "/name"),
        ("product", {"name": "x" * 201}, "/name"),
        ("product", {"version": 0}, "/version"),
        ("product", {"version": 1.0}, "/version"),
        ("product", {"version": True}, "/version"),
        ("product", {"status": "gone"}, "/status"),
        ("pricing", {"unit_price": 0}, "/unit_price"),
        ("pricing", {"unit_price": -1}, "/unit_price"),
        ("pricing", {"unit_price": "19.99"}, "/unit_price"),
        ("pricing", {"unit_price": float("nan")}, "/unit_price"),
        ("pricing", {"currency": "eur"}, "/currency"),
        ("sku", {"stock": -1}, "/stock"),
        ("sku", {"available": "yes"}, "/available"),
    ],
)
def test_a_bad_member_is_pointed_at(feed_type, change, pointer):
    found = checked(feed_type, GOOD[feed_type] | change)
    assert isinstance(found, Rejection)
    assert (found.reason, found.pointer) == ("INVALID_RECORD", pointer)


@pytest.mark.parametrize("name", ["sku", "version", "name"])
def test_a_missing_member_is_pointed_at(name):
    found = checked("product", {key: value for key, value in GOOD["product"].items() if key != name})
    assert isinstance(found, Rejection)
    assert found.pointer == f"/{name}"


def test_half_a_character_is_refused():
    found = checked("product", GOOD["product"] | {"name": "\ud800"})
    assert isinstance(found, Rejection)
    assert found.reason == "INVALID_UNICODE"

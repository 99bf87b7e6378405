"""Merging a legacy customer: whose value takes precedence, field by field."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customer_migration.domain import FIELDS, merge
from setpieces.errors import PermanentFailure
from tests.present import present

SIGN_UP = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOW = SIGN_UP + timedelta(hours=1)
BEFORE, AFTER, EDIT = (SIGN_UP + timedelta(minutes=minutes) for minutes in (-60, 10, 5))


def customer_with(**fields: Any) -> dict[str, Any]:
    """A customer who has just signed up; a field that is a (value, time) was changed at that time."""
    values = {name: value[0] if isinstance(value, tuple) else value for name, value in fields.items()}
    profile = {"identity_id": "I1", "email": "new@example.com", "name": "New Name"} | values
    times = dict.fromkeys(profile, SIGN_UP.isoformat())
    times |= {name: value[1].isoformat() for name, value in fields.items() if isinstance(value, tuple)}
    return {"customer_id": "C1", "version": 1, "updated_at": times} | profile


def legacy_with(version: int = 1, changed_at: datetime | None = None, **fields: Any) -> dict[str, Any]:
    """A legacy customer whose fields were changed at ``changed_at``; without it the legacy platform has no times."""
    times = {"updated_at": dict.fromkeys(fields, changed_at.isoformat())} if changed_at else {}
    return {"customer_id": "C1", "source_version": version} | fields | times


def merged(legacy: Any, customer: dict[str, Any], migrated_version: int = 0, now: datetime = NOW) -> dict[str, Any]:
    return present(merge(legacy, customer, migrated_version, now))


@pytest.mark.parametrize(
    ("fields", "legacy", "phone"),
    [
        pytest.param({}, legacy_with(phone="1"), "1", id="missing"),
        pytest.param({"phone": ""}, legacy_with(phone="1"), "1", id="empty at sign-up"),
        pytest.param({"phone": ""}, legacy_with(phone="1", changed_at=BEFORE), "1", id="empty, legacy older"),
        pytest.param({"phone": "2"}, legacy_with(phone="1"), "2", id="from sign-up"),
        pytest.param({"phone": "2"}, legacy_with(phone="1", changed_at=BEFORE), "2", id="from sign-up, legacy older"),
        pytest.param({"phone": "2"}, legacy_with(phone="1", changed_at=AFTER), "1", id="from sign-up, legacy newer"),
        pytest.param({"phone": ("2", EDIT)}, legacy_with(phone="1", changed_at=AFTER), "2", id="changed"),
        pytest.param({"phone": ("", EDIT)}, legacy_with(phone="1", changed_at=AFTER), "", id="changed to empty"),
        pytest.param({"phone": "2"}, legacy_with(), "2", id="legacy missing"),
        pytest.param({"phone": "2"}, legacy_with(phone="", changed_at=AFTER), "2", id="legacy empty"),
        pytest.param({}, legacy_with(), None, id="both missing"),
    ],
)
def test_one_value_takes_precedence(fields: dict[str, Any], legacy: dict[str, Any], phone: str | None):
    assert merged(legacy, customer_with(**fields)).get("phone") == phone


def test_false_is_a_value_and_not_an_empty_field():
    accepted, declined = legacy_with(marketing_opt_in=True), legacy_with(marketing_opt_in=False)
    assert merged(accepted, customer_with(marketing_opt_in=False))["marketing_opt_in"] is False
    assert merged(declined, customer_with())["marketing_opt_in"] is False


def test_identity_email_and_unlisted_legacy_fields_are_not_copied():
    legacy = legacy_with(9, AFTER, identity_id="I9", email="old@example.com", shoe_size=42) | {"version": 9}
    customer = merged(legacy, customer_with())
    assert (customer["identity_id"], customer["email"]) == ("I1", "new@example.com")
    assert not {"shoe_size", "version"} & set(customer)


def test_other_fields_of_the_customer_are_kept():
    customer = merged(legacy_with(phone="1"), customer_with(wishlist=["a"]))
    assert customer["wishlist"] == ["a"]
    assert (customer["origin"], customer["source_version"]) == ("migration", 1)


def test_a_migrated_field_follows_the_legacy_platform_until_the_customer_changes_it():
    first = merged(legacy_with(1, phone="1", language="de"), customer_with())
    changed_at = (NOW + timedelta(hours=1)).isoformat()
    changed = first | {"version": 2, "language": "fr", "updated_at": first["updated_at"] | {"language": changed_at}}
    second = merged(legacy_with(2, phone="11", language="en"), changed, 1, NOW + timedelta(hours=2))
    assert (second["phone"], second["language"]) == ("11", "fr")


@pytest.mark.parametrize(
    ("legacy_version", "version_of_customer", "version_in_table"), [(1, 1, 0), (1, 0, 1), (2, 3, 0), (1, 1, 1)]
)
def test_a_version_that_is_not_newer_is_not_merged(
    legacy_version: int, version_of_customer: int, version_in_table: int
):
    customer = customer_with() | {"source_version": version_of_customer}
    assert merge(legacy_with(legacy_version, phone="1"), customer, version_in_table, NOW) is None


@pytest.mark.parametrize(
    ("legacy", "reason"),
    [
        (None, "INVALID_SOURCE"),
        ([], "INVALID_SOURCE"),
        ({"customer_id": "C1"}, "INVALID_SOURCE"),
        (legacy_with(0), "INVALID_SOURCE"),
        (legacy_with() | {"source_version": True}, "INVALID_SOURCE"),
        (legacy_with() | {"source_version": "2"}, "INVALID_SOURCE"),
        (legacy_with(phone=5), "INVALID_SOURCE"),
        (legacy_with(addresses={"a": 1}), "INVALID_SOURCE"),
        (legacy_with() | {"updated_at": "now"}, "INVALID_SOURCE"),
        (legacy_with(addresses=[{"line": "x" * 33_000}]), "OVERSIZE"),
    ],
)
def test_an_unusable_legacy_customer_is_a_permanent_failure(legacy: Any, reason: str):
    with pytest.raises(PermanentFailure) as failure:
        merge(legacy, customer_with(), 0, NOW)
    assert failure.value.reason == reason


TIMES = st.sampled_from([BEFORE, SIGN_UP, EDIT, AFTER])
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "name": st.text(max_size=5),
    "phone": st.text(max_size=5),
    "addresses": st.lists(st.just({"city": "Bern"}), max_size=2),
    "marketing_opt_in": st.booleans(),
    "language": st.sampled_from(["", "de"]),
}


@given(
    fields=st.fixed_dictionaries({}, optional={name: st.tuples(value, TIMES) for name, value in VALUES.items()}),
    legacy_fields=st.fixed_dictionaries({}, optional=VALUES),
    changed_at=st.none() | TIMES,
)
def test_each_value_is_one_of_the_two_and_a_value_that_the_customer_changed_is_kept(
    fields: dict[str, tuple[Any, datetime]], legacy_fields: dict[str, Any], changed_at: datetime | None
):
    before = customer_with(**fields)
    legacy = legacy_with(1, changed_at, **legacy_fields)
    after = merged(legacy, before)
    signed_up_at = min([SIGN_UP, *(time for _, time in fields.values())])
    for name in FIELDS:
        assert after.get(name) in (before.get(name), legacy_fields.get(name))
        if name in fields and fields[name][1] > signed_up_at:
            assert after[name] == fields[name][0]
    assert merge(legacy, after | {"version": 2}, 0, NOW) is None

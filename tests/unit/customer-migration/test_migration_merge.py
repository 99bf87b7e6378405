"""Whose value wins, field by field."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customer_migration.domain import FIELDS, BadSource, merge
from tests.present import present

SIGN_UP = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOW = SIGN_UP + timedelta(hours=1)
BEFORE, AFTER, EDIT = (SIGN_UP + timedelta(minutes=minutes) for minutes in (-60, 10, 5))


def customer(**fields) -> dict:
    """A customer who has just signed up; a field given as (value, time) was changed at that time."""
    plain = {name: value[0] if isinstance(value, tuple) else value for name, value in fields.items()}
    signed_up = {"identity_id": "I1", "email": "new@example.com", "name": "New Name"} | plain
    times = dict.fromkeys(signed_up, SIGN_UP.isoformat())
    times |= {name: value[1].isoformat() for name, value in fields.items() if isinstance(value, tuple)}
    return {"customer_id": "C1", "version": 1, "updated_at": times} | signed_up


def source(version: int = 1, at: datetime | None = None, **fields) -> dict:
    """A legacy customer; ``at`` is when its fields were changed there, if it knows."""
    times = {"updated_at": dict.fromkeys(fields, at.isoformat())} if at else {}
    return {"customer_id": "C1", "source_version": version} | fields | times


def merged(*arguments: Any) -> dict[str, Any]:
    return present(merge(*arguments))


@pytest.mark.parametrize(
    ("new", "legacy", "expected"),
    [
        pytest.param({}, source(phone="1"), "1", id="never given"),
        pytest.param({"phone": ""}, source(phone="1"), "1", id="left empty at sign-up"),
        pytest.param({"phone": ""}, source(phone="1", at=BEFORE), "1", id="left empty, older there"),
        pytest.param({"phone": "2"}, source(phone="1"), "2", id="given at sign-up"),
        pytest.param({"phone": "2"}, source(phone="1", at=BEFORE), "2", id="given, older there"),
        pytest.param({"phone": "2"}, source(phone="1", at=AFTER), "1", id="given, changed there later"),
        pytest.param({"phone": ("2", EDIT)}, source(phone="1", at=AFTER), "2", id="changed here"),
        pytest.param({"phone": ("", EDIT)}, source(phone="1", at=AFTER), "", id="emptied here"),
        pytest.param({"phone": "2"}, source(), "2", id="unknown there"),
        pytest.param({"phone": "2"}, source(phone="", at=AFTER), "2", id="empty there"),
        pytest.param({}, source(), None, id="unknown anywhere"),
    ],
)
def test_whose_phone_number_wins(new, legacy, expected):
    assert merged(legacy, customer(**new), 0, NOW).get("phone") == expected


def test_an_answer_of_no_is_not_an_empty_field():
    assert merged(source(marketing_opt_in=True), customer(marketing_opt_in=False), 0, NOW)["marketing_opt_in"] is False
    assert merged(source(marketing_opt_in=False), customer(), 0, NOW)["marketing_opt_in"] is False


def test_identity_email_and_what_else_the_legacy_platform_collected_stay_out():
    legacy = source(identity_id="I9", email="old@example.com", shoe_size=42, version=9, at=AFTER) | {"version": 9}
    result = merged(legacy, customer(), 0, NOW)
    assert (result["identity_id"], result["email"]) == ("I1", "new@example.com")
    assert not {"shoe_size", "version"} & set(result)


def test_everything_else_of_the_customer_is_written_back():
    result = merged(source(phone="1"), customer(wishlist=["a"]), 0, NOW)
    assert result["wishlist"] == ["a"]
    assert (result["origin"], result["source_version"]) == ("migration", 1)


def stored(result: dict, **changes) -> dict:
    """The merged customer as the platform keeps it, with fields that the customer changes after that."""
    times = result["updated_at"] | dict.fromkeys(changes, (NOW + timedelta(hours=1)).isoformat())
    return result | {"version": 2} | changes | {"updated_at": times}


def test_what_was_migrated_follows_the_legacy_platform_until_the_customer_changes_it():
    once = merged(source(1, phone="1", language="de"), customer(), 0, NOW)
    again = merged(source(2, phone="11", language="en"), stored(once, language="fr"), 1, NOW + timedelta(hours=2))
    assert (again["phone"], again["language"]) == ("11", "fr")


@pytest.mark.parametrize(("version", "on_customer", "in_table"), [(1, 1, 0), (1, 0, 1), (2, 3, 0), (1, 1, 1)])
def test_what_is_not_newer_is_not_written_again(version, on_customer, in_table):
    assert merge(source(version, phone="1"), customer() | {"source_version": on_customer}, in_table, NOW) is None


@pytest.mark.parametrize(
    ("legacy", "reason"),
    [
        (None, "INVALID_SOURCE"),
        ([], "INVALID_SOURCE"),
        ({"customer_id": "C1"}, "INVALID_SOURCE"),
        (source(0), "INVALID_SOURCE"),
        (source() | {"source_version": True}, "INVALID_SOURCE"),
        (source() | {"source_version": "2"}, "INVALID_SOURCE"),
        (source(phone=5), "INVALID_SOURCE"),
        (source(addresses={"a": 1}), "INVALID_SOURCE"),
        (source() | {"updated_at": "now"}, "INVALID_SOURCE"),
        (source(addresses=[{"line": "x" * 33_000}]), "OVERSIZE"),
    ],
)
def test_what_can_never_be_migrated_says_why(legacy, reason):
    with pytest.raises(BadSource) as bad:
        merge(legacy, customer(), 0, NOW)
    assert bad.value.reason == reason


TIMES = st.sampled_from([BEFORE, SIGN_UP, EDIT, AFTER])
VALUES = {
    "name": st.text(max_size=5),
    "phone": st.text(max_size=5),
    "addresses": st.lists(st.just({"city": "Bern"}), max_size=2),
    "marketing_opt_in": st.booleans(),
    "language": st.sampled_from(["", "de"]),
}


@given(
    here=st.fixed_dictionaries({}, optional={name: st.tuples(value, TIMES) for name, value in VALUES.items()}),
    there=st.fixed_dictionaries({}, optional=VALUES),
    at=st.none() | TIMES,
)
def test_every_field_is_one_of_the_two_and_what_the_customer_changed_is_theirs(here, there, at):
    new = customer(**here)
    result = merged(source(1, at, **there), new, 0, NOW)
    for name in FIELDS:
        assert result.get(name) in (new.get(name), there.get(name))
        if name in here and here[name][1] > min(SIGN_UP, *(time for _, time in here.values())):
            assert result[name] == here[name][0]
    assert merge(source(1, at, **there), result | {"version": 2}, 0, NOW) is None

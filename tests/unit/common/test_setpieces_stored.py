"""What other versions have stored."""

from dataclasses import dataclass, field
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from setpieces.stored import from_stored, to_stored


@dataclass(frozen=True)
class Strict:
    a: int
    b: str = ""


@dataclass(frozen=True)
class Keeper:
    a: int
    unknown: dict[str, Any] = field(default_factory=dict)


def test_members_of_a_newer_version_are_left_out():
    assert from_stored(Strict, {"a": 1, "b": "x", "newer": {"c": 2}}) == Strict(1, "x")


def test_members_that_an_older_version_did_not_store_have_their_defaults():
    assert from_stored(Strict, {"a": 1}) == Strict(1)


@given(st.dictionaries(st.text(), st.integers()))
def test_a_dataclass_that_keeps_them_stores_them_again(newer: dict[str, int]):
    item = {**newer, "a": 1}
    assert to_stored(from_stored(Keeper, item)) == item

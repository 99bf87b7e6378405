"""Values to DynamoDB and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from setpieces.dynamodb_types import from_item, to_attribute, to_item

plain = st.recursive(
    st.booleans() | st.integers(-(10**30), 10**30) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(min_size=1, max_size=8), plain, max_size=6))
def test_a_value_survives_the_round_trip(values: dict):
    assert from_item(to_item(values)) == values


def test_none_is_omitted():
    assert to_item({"a": None, "b": 1}) == {"b": {"N": "1"}}


def test_floats_are_refused():
    with pytest.raises(TypeError):
        to_attribute(0.1)

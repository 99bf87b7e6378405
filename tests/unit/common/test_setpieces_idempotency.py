"""The digests of an Idempotency-Key and of the request that came with it."""

import re

from hypothesis import given
from hypothesis import strategies as st

from setpieces.idempotency import key_digest, payload_digest

KEYS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=255)


@given(st.tuples(st.text(), KEYS), st.tuples(st.text(), KEYS))
def test_each_pair_of_scope_and_key_has_its_own_digest(first: tuple[str, str], second: tuple[str, str]):
    assert (key_digest(*first) == key_digest(*second)) == (first == second)


def test_a_digest_is_32_hexadecimal_digits():
    assert re.fullmatch("[0-9a-f]{32}", key_digest("", "key"))
    assert re.fullmatch("[0-9a-f]{32}", payload_digest({}))


def test_the_order_of_members_does_not_change_a_payload_digest():
    assert payload_digest({"a": 1, "b": [1, 2]}) == payload_digest({"b": [1, 2], "a": 1})


def test_another_value_changes_a_payload_digest():
    assert payload_digest({"a": [1, 2]}) != payload_digest({"a": [2, 1]})
    assert payload_digest({"a": 1}) != payload_digest({"a": "1"})

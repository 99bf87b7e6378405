"""Spellings of one password."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from setpieces.passwords import normalize_password


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("p\u00e4ssword 1234", "pa\u0308ssword 1234"),
        ("correct horse", "correct\u00a0horse"),
        ("correct horse", "correct\u3000horse"),
        ("\ud55c\uae00", unicodedata.normalize("NFD", "\ud55c\uae00")),
    ],
)
def test_two_spellings_of_one_password_are_the_same(one: str, other: str):
    assert normalize_password(one) == normalize_password(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("correct horse", "Correct horse"),
        ("correct horse", "correct  horse"),
        ("correct horse", " correct horse"),
        ("stra\u00dfe", "strasse"),
        ("abc", "\uff41bc"),
        ("\u00b2", "2"),
    ],
)
def test_two_passwords_are_not_the_same(one: str, other: str):
    assert normalize_password(one) != normalize_password(other)


@pytest.mark.parametrize("text", ["", "a\0b", "a\tb", "a\x7fb", "a\u200bb", "a\u202eb", "a\ufeffb"])
def test_control_and_invisible_characters_are_refused(text: str):
    with pytest.raises(ValueError, match="OpaqueString"):
        normalize_password(text)


@given(st.text(st.characters(min_codepoint=32), min_size=1))
def test_a_normalized_password_stays_as_it_is_and_has_one_form(text: str):
    try:
        password = normalize_password(text)
    except ValueError:
        return
    assert normalize_password(password) == password
    assert normalize_password(unicodedata.normalize("NFC", text)) == password
    assert normalize_password(unicodedata.normalize("NFD", text)) == password


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1))
def test_ascii_passwords_stay_as_they_are(text: str):
    """Identity providers have hashes of them."""
    assert normalize_password(text) == text

"""Searches by words."""

from typing import Literal
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from setpieces.search import contains_words, search_words

ZAFE = ("zafe", "strasse")


@pytest.mark.parametrize(
    "text",
    [
        "Zafé Straße",
        normalize("NFD", "Zafé Straße"),
        "zafe STRASSE",
        "  Zafé\u00a0\u2003Straße\n",
        "\uff3a\uff21\uff26\uff25 \uff33traße",
        "Za\u200bfé\ufeff Stra\u00adße",
        "Zafe\u0301 \u017ftrasse",
    ],
)
def test_spellings_of_a_name_have_the_same_words(text: str):
    assert search_words(text) == ZAFE


@pytest.mark.parametrize(
    ("query", "is_found"),
    [
        ("zafe", True),
        ("strasse zafé", True),
        ("castle STRA z-1", True),
        ("", True),
        ("zafe tower", False),
        ("estr", False),
        ("%", False),
        ("z*", False),
    ],
)
def test_each_word_is_in_one_of_the_texts_in_any_order(query: str, is_found: bool):
    assert contains_words(search_words(query), ("Zafé Straße", "Z-1", "Castles")) is is_found


@pytest.mark.parametrize("text", ["हिन्दी", "العربية", "日本語", "👩‍🚀", "Ελλάδα", "i̇stanbul"])
def test_a_text_is_found_by_itself_in_any_script(text: str):
    assert search_words(text)
    assert contains_words(search_words(text), (f"x {text} y",))


@given(st.text(), st.sampled_from(["NFC", "NFD", "NFKC", "NFKD"]))
def test_words_are_the_same_in_each_normal_form(text: str, form: Literal["NFC", "NFD", "NFKC", "NFKD"]):
    assert search_words(normalize(form, text)) == search_words(text)


@given(st.text())
def test_words_of_words_are_these_words(text: str):
    assert search_words(" ".join(search_words(text))) == search_words(text)

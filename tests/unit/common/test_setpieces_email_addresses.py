"""Which texts are e-mail addresses, and which of them are one address."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from setpieces.email_addresses import comparable_email, parse_email
from setpieces.errors import Refused

ONE = [
    ("ada@example.com", "ADA@Example.COM"),
    ("jos\u00e9@example.com", "jose\u0301@example.com"),
    ("J\u00d6RG@example.com", "jo\u0308rg@example.com"),
    # The Kelvin sign is a compatibility character: in NFC it is the letter.
    ("kevin@example.com", "\u212aevin@example.com"),
    ("ada@example.com", "\uff21\uff24\uff21@example.com"),
    (
        "\u03c3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2@example.com",
        "\u03a3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2@example.com",
    ),
    ("ada@b\u00fccher.example", "ada@xn--bcher-kva.example"),
    ("ada@b\u00fccher.example", "Ada@BU\u0308CHER.example"),
    ("ada@example.com", "ada@\uff45xample\u3002com"),
    ("ada@example.com", " ada@example.com "),
]
TWO = [
    ("gro\u00df@example.com", "gross@example.com"),
    ("ada@fa\u00df.example", "ada@fass.example"),
    ("ada@example.com", "ada+shop@example.com"),
    ("ada@example.com", "a.da@example.com"),
    ("\u0456van@example.com", "ivan@example.com"),
    ("jose@example.com", "jos\u00e9@example.com"),
    ("ada@example.com", "ada@example.org"),
    ("\ufb01ona@example.com", "fiona@example.com"),
]
INVALID = [
    *("", "ada", "@example.com", "ada@", "ada@example", "ada@ada@example.com"),
    *(".ada@example.com", "ada.@example.com", "a..da@example.com"),
    *("ada@.example.com", "ada@example..com", "ada@example.com.", "ada@-example.com", "ada@exam_ple.com"),
    *("a da@example.com", "ada@exam ple.com", " ada@example.com", "ada@example.com\n", "ada\t@example.com"),
    *(f"ad{invisible}a@example.com" for invisible in "\0\x07\x7f\x85\u200b\u200d\u2028\u202e\u2066\u00ad\ufeff\ufe0f"),
    *(f"ada@exam{invisible}ple.com" for invisible in "\0\x07\u202e\u2066"),
    *('"a b"@example.com', "Ada <ada@example.com>", "ada(1)@example.com", "ada@[192.0.2.1]", "ada@192.0.2.1"),
    *("ada@localhost", "ada@shop.local", "ada@shop.invalid", "ada@xn--a.example", "\U0001f600@example.com"),
    *(f"{'a' * 65}@example.com", f"a@{'b' * 64}.com", f"a@{'b.' * 127}com", "\ud800@example.com"),
]


@pytest.mark.parametrize(("one", "other"), ONE)
def test_two_spellings_of_one_address_are_the_same(one: str, other: str):
    assert comparable_email(one) == comparable_email(other)


@pytest.mark.parametrize(("one", "other"), TWO)
def test_two_addresses_are_not_the_same(one: str, other: str):
    assert comparable_email(one) != comparable_email(other)


@pytest.mark.parametrize("text", INVALID)
def test_what_is_no_address_is_refused_without_repeating_it(text: str):
    with pytest.raises(Refused) as refused:
        parse_email(text, "/notify")
    assert (refused.value.code, refused.value.pointer) == ("INVALID_REQUEST", "/notify")
    assert refused.value.detail == "must be an e-mail address that mail can be sent to"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("Ada.L+shop@Example.COM", "Ada.L+shop@example.com"),
        ("o'brien@example.com", "o'brien@example.com"),
        ("ada@b\u00fccher.example", "ada@xn--bcher-kva.example"),
        ("jose\u0301@example.com", "jos\u00e9@example.com"),
    ],
)
def test_an_address_is_stored_with_its_own_case_and_the_domain_in_ascii(text: str, address: str):
    assert parse_email(text) == address


@pytest.mark.parametrize("text", ["A..B@example.com", ".ada@example.com", "ADA@Shop.local", "x@Y"])
def test_accounts_with_addresses_of_before_the_rule_are_found_without_regard_to_case(text: str):
    assert comparable_email(text) == comparable_email(text.lower()) == text.casefold()


letters = st.text(st.characters(codec="utf-8"), max_size=20)


@given(letters, st.sampled_from(["example.com", "B\u00dcCHER.example", "x..y", ""]))
def test_the_form_to_compare_by_is_its_own_form(local: str, domain: str):
    comparable = comparable_email(f"{local}@{domain}")
    assert comparable_email(comparable) == comparable


@given(letters, st.sampled_from(["example.com", "B\u00dcCHER.example", "x..y", ""]))
def test_composed_and_decomposed_texts_are_the_same(local: str, domain: str):
    text = f"{local}@{domain}"
    assert comparable_email(unicodedata.normalize("NFC", text)) == comparable_email(unicodedata.normalize("NFD", text))


@given(letters)
def test_a_parsed_address_stays_as_it_is(local: str):
    try:
        address = parse_email(f"{local}@Example.com")
    except Refused:
        return
    assert parse_email(address) == address
    assert comparable_email(address) == comparable_email(f"{local}@Example.com")


@given(st.text(st.characters(codec="ascii"), max_size=30))
def test_ascii_addresses_are_compared_as_ever(text: str):
    """The ids of identities and the counts of attempts follow from this form: those that are stored stay valid."""
    assert comparable_email(text) == text.strip().casefold()

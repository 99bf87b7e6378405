"""Quotations in forms, and amounts and rates as text."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.amounts import money, percent
from app.checkout_pages import MAX_FIELD_BYTES
from app.messages import FIELDS
from app.quotations import Confirmation, Discount, Line, Quotation, compare, order_key

AMOUNT = st.integers(0, 10**12)
WORD = st.text(max_size=10)
QUOTATIONS = st.builds(
    Quotation,
    *(WORD, st.sampled_from(["EUR", "JPY", "KWD"]), AMOUNT, WORD, AMOUNT, AMOUNT, AMOUNT, st.booleans()),
    st.lists(st.builds(Line, WORD, AMOUNT, AMOUNT, AMOUNT), max_size=3),
    st.lists(st.builds(Discount, WORD, AMOUNT, AMOUNT), max_size=3),
    st.lists(st.integers(0, 10_000), max_size=3),
)


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (0, "EUR", "0.00 EUR"),
        (5, "EUR", "0.05 EUR"),
        (123456, "EUR", "1,234.56 EUR"),
        (-500, "CHF", "-5.00 CHF"),
        (123456, "JPY", "123,456 JPY"),
        (123456, "KWD", "123.456 KWD"),
        (10**12, "SEK", "10,000,000,000.00 SEK"),
        (590, "HUF", "5.90 HUF"),
        (-123456, "IQD", "-123.456 IQD"),
        (123456, "UYW", "12.3456 UYW"),
        (100, "BGN", "1.00 BGN"),
        (10**15 + 1, "KPW", "10,000,000,000,000.01 KPW"),
    ],
)
def test_money_has_the_decimals_of_its_currency(amount: int, currency: str, text: str):
    assert money(amount, currency) == text


# Of ISO 4217, which differs from CLDR, the source of most libraries:
# https://www.six-group.com/en/products-services/financial-information/data-standards.html
MINOR_UNITS = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: "AFN ALL COP EUR HUF IDR IRR KPW LAK LBP MGA MMK SOS SYP USD YER",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}


@pytest.mark.parametrize(
    ("currency", "digits"), [(code, digits) for digits, codes in MINOR_UNITS.items() for code in codes.split()]
)
def test_money_has_the_minor_unit_of_iso_4217(currency: str, digits: int):
    assert Decimal(money(10**6, currency).removesuffix(f" {currency}").replace(",", "")) == Decimal(10) ** (6 - digits)


@given(st.integers(-(10**15), 10**15), st.sampled_from(["EUR", "JPY", "KWD", "HUF", "IQD", "CLF"]))
def test_money_shows_every_digit(amount: int, currency: str):
    digits = money(amount, currency).removesuffix(f" {currency}").replace(",", "").replace(".", "")
    assert int(digits) == amount


@pytest.mark.parametrize(("basis_points", "text"), [(0, "0 %"), (500, "5 %"), (770, "7.7 %"), (1900, "19 %")])
def test_rates(basis_points: int, text: str):
    assert percent(basis_points) == text


def quotation(rates: list[int], *, prices_include_tax: bool) -> Quotation:
    return Quotation("q", "EUR", 0, "economy", 0, 0, 0, prices_include_tax, rates=rates)


@pytest.mark.parametrize(
    ("rates", "prices_include_tax", "text"),
    [
        ([1900], True, "incl. 19 % VAT"),
        ([1900, 700], True, "incl. 7 % and 19 % VAT"),
        ([500], False, "plus 5 % tax"),
        ([], True, "incl. VAT"),
        ([], False, "plus tax"),
    ],
)
def test_tax_label_names_the_rates(rates: list[int], prices_include_tax: bool, text: str):
    assert quotation(rates, prices_include_tax=prices_include_tax).tax_label == text


@given(QUOTATIONS, WORD)
def test_form_field_gives_back_the_confirmed_quotation(confirmed: Quotation, inputs: str):
    confirmation = Confirmation(confirmed, inputs)
    assert Confirmation.from_field(confirmation.to_field()) == confirmation


@given(QUOTATIONS, st.data())
def test_damaged_form_field_is_no_confirmation_or_a_complete_one(confirmed: Quotation, data: st.DataObject):
    """Whatever is left is of the right types, so that the page can show it."""
    stored = json.loads(Confirmation(confirmed, "i").to_field())
    name = data.draw(st.sampled_from(sorted(stored["quotation"])))
    stored["quotation"][name] = data.draw(
        st.none() | st.sampled_from([-1, 10**30, 10**400, True]) | st.text() | st.lists(st.integers())
    )
    parsed = Confirmation.from_field(json.dumps(stored))
    if parsed:
        compare(parsed.quotation, confirmed, {})


def test_largest_basket_fits_into_a_field():
    lines = [Line("S" + ":" * 127, 99, 10**12, 99 * 10**12, "Name" * 30) for _ in range(99)]
    discounts = [Discount("1111", 10**8, 10**8)] * 5
    large = Quotation(
        "q" * 64, "EUR", *(10**12, "standard", 10**6, 10**12, 10**12, True), lines, discounts, [1900, 700]
    )
    field = Confirmation(large, "a" * 64).to_field()
    escaped = sum(1 if sign.isalnum() else 3 for sign in field)
    assert escaped < MAX_FIELD_BYTES - 4096, "room for the other fields"


def test_one_quotation_is_one_idempotency_key():
    assert order_key("a") == order_key("a") != order_key("b")


def test_comparison_marks_what_changed():
    before, now = quotation([700], prices_include_tax=True), quotation([700], prices_include_tax=True)
    assert not [row for row in compare(before, now, {}) if row.is_changed]
    changed = compare(before, quotation([1900], prices_include_tax=True), {})
    assert [row.label for row in changed if row.is_changed] == ["Tax"]


def test_every_field_has_advice_in_words():
    assert not [advice for _, advice in FIELDS.values() if not advice.endswith(".") or "[" in advice]

"""Requests for quotations, quotations from rates, and when the tax system is not called."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partners.domain.operations import Call
from partners.simulators import tax as tax_module
from setpieces.errors import Refused
from setpieces.rest_api import Request, status_of
from tax.domain import default_rates
from tax.domain.circuit import THRESHOLD, Admission, Circuit
from tax.domain.quotations import QuoteTax, quote_from_rates
from tax.requests import parse_quote_tax
from tests.unit.tax.samples import BODY, REQUEST

LINE = BODY["lines"][0]


def sent(body: object) -> Request:
    return Request("POST", "/v1/quotations", {}, {}, {}, json.dumps(body), "r", "c", {}, lambda: 5)


def test_a_request_becomes_a_command():
    assert parse_quote_tax(sent(BODY)) == REQUEST


@pytest.mark.parametrize(
    ("pointer", "wrong"),
    [
        ("/surplus", {"surplus": 1}),
        ("/order_number", {"order_number": 1}),
        ("/currency", {"currency": "euro"}),
        ("/currency", {"currency": None}),
        ("/ship_to", {"ship_to": "DE"}),
        ("/ship_to/country", {"ship_to": {"postal_code": "1"}}),
        ("/ship_to/country", {"ship_to": {"country": "de", "postal_code": "1"}}),
        ("/ship_to/country", {"ship_to": {"country": "DE\n", "postal_code": "1"}}),
        ("/ship_to/postal_code", {"ship_to": {"country": "DE"}}),
        ("/ship_to/postal_code", {"ship_to": {"country": "DE", "postal_code": "1" * 21}}),
        ("/lines", {"lines": []}),
        ("/lines", {"lines": {"0": LINE}}),
        ("/lines", {"lines": [LINE] * 101}),
        ("/lines/0/quantity", {"lines": [{"sku": "SP-1"}]}),
        ("/lines/1/note", {"lines": [LINE, LINE | {"note": ""}]}),
        ("/lines", {"lines": [LINE | {"quantity": 2, "unit_price": 10**12}]}),
        ("/lines", {"lines": [LINE | {"quantity": 1, "unit_price": 10**12}] * 2}),
        ("/lines/1", {"lines": [LINE, []]}),
        ("/lines/0/sku", {"lines": [LINE | {"sku": 5}]}),
        ("/lines/0/sku", {"lines": [LINE | {"sku": "A/B"}]}),
        ("/lines/0/quantity", {"lines": [LINE | {"quantity": 0}]}),
        ("/lines/0/quantity", {"lines": [LINE | {"quantity": True}]}),
        ("/lines/0/unit_price", {"lines": [LINE | {"unit_price": -1}]}),
        ("/lines/0/unit_price", {"lines": [LINE | {"unit_price": 19.99}]}),
        ("/lines/0/unit_price", {"lines": [LINE | {"unit_price": 10**400}]}),
    ],
)
def test_an_invalid_request_is_refused_with_a_pointer_to_the_fault(pointer: str, wrong: dict):
    with pytest.raises(Refused) as raised:
        parse_quote_tax(sent(BODY | wrong))
    assert status_of(raised.value) == 400
    assert raised.value.errors[0]["pointer"] == pointer


def test_a_country_without_postal_codes_needs_none():
    assert parse_quote_tax(sent(BODY | {"ship_to": {"country": "HK"}})).ship_to == {"country": "HK"}


LINES = st.lists(
    st.fixed_dictionaries(
        {
            "sku": st.from_regex(r"[A-Z]{1,5}", fullmatch=True),
            "quantity": st.integers(1, 999),
            "unit_price": st.integers(0, 10**7),
        }
    ),
    min_size=1,
    max_size=20,
)


@given(LINES, st.sampled_from(sorted(tax_module.RATES)))
def test_cached_rates_give_what_the_tax_system_would_have_given(lines: list[dict], country: str):
    body = BODY | {"lines": lines, "ship_to": {"country": country, "postal_code": "1"}}
    call = Call({}, {}, {}, body, "")
    theirs = tax_module.quote_tax(call, None).body
    ours = quote_from_rates(QuoteTax(**body), default_rates.RATES, "v")
    assert (ours["tax_total"], ours["lines"]) == (theirs["tax_total"], theirs["lines"])
    assert (ours["source"], ours["rate_version"]) == ("cached_rates", "v")


def test_a_country_without_a_rate_is_refused():
    with pytest.raises(Refused, match="UNKNOWN_JURISDICTION") as raised:
        quote_from_rates(REQUEST, {"AT": 2000}, "v")
    assert status_of(raised.value) == 422


@pytest.mark.parametrize(
    ("failures", "open_until", "now", "admission"),
    [
        (0, 0, 100, Admission.CALL),
        (THRESHOLD - 1, 200, 100, Admission.CALL),
        (THRESHOLD, 200, 100, Admission.REFUSE),
        (THRESHOLD, 200, 199.9, Admission.REFUSE),
        (THRESHOLD, 200, 200, Admission.PROBE),
        (THRESHOLD + 50, 200, 10_000, Admission.PROBE),
    ],
)
def test_admission_by_failures_and_time(failures: int, open_until: int, now: float, admission: Admission):
    assert Circuit(failures, open_until).admission(now) is admission

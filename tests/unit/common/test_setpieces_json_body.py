"""Bodies checked against JSON Schema: which fault is reported, where it points and how it reads."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft4Validator

from setpieces import fields
from setpieces.errors import Refused
from setpieces.json_body import JsonBody
from setpieces.rest_api import Request, status_of

LINE = {
    "type": "object",
    "required": ["sku", "quantity"],
    "properties": {"sku": fields.text(1, 32), "quantity": fields.whole_number(1, 100)},
    "additionalProperties": False,
    "description": "a line",
}
ORDER = JsonBody(
    {
        "type": "object",
        "required": ["currency", "lines"],
        "properties": {
            "currency": fields.CURRENCY,
            "lines": {"type": "array", "items": LINE, "minItems": 1, "maxItems": 3, "description": "1 to 3 lines"},
            "ship_to": fields.postal_address("country"),
            "phone": fields.nullable(fields.single_line(3, 30)),
            "gift": fields.BOOLEAN,
        },
        "additionalProperties": False,
    }
)
GOOD: dict[str, Any] = {"currency": "EUR", "lines": [{"sku": "SP-1", "quantity": 2}]}


def request(raw_body: str, media_type: str = "application/json") -> Request:
    return Request("POST", "/v1/things", {}, {}, {"content-type": media_type}, raw_body, "r", "c", {}, lambda: 5.0)


def parse(body: object) -> dict[str, Any]:
    return ORDER.parse(request(json.dumps(body)))


def fault(body: object) -> tuple[str, str]:
    """(pointer, message)"""
    with pytest.raises(Refused) as raised:
        parse(body)
    assert (status_of(raised.value), raised.value.code) == (400, "INVALID_REQUEST")
    (error,) = raised.value.errors
    assert raised.value.detail == error["message"]
    return error["pointer"], error["message"]


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"phone": None},
        {"gift": True},
        {"ship_to": {"country": "DE", "city": "漢字 😀", "line1": "O'Brien"}},
        {"lines": [{"sku": "x" * 32, "quantity": 100}] * 3},
    ],
)
def test_a_valid_body_is_returned_as_it_was_sent(change: dict[str, Any]):
    assert parse(GOOD | change) == GOOD | change


@pytest.mark.parametrize(
    ("change", "pointer", "message"),
    [
        ({"currency": "eur"}, "/currency", "must be a currency code of three capital letters (ISO 4217)"),
        ({"currency": None}, "/currency", "must be a currency code of three capital letters (ISO 4217)"),
        ({"currency": "EUR\n"}, "/currency", "must be a currency code of three capital letters (ISO 4217)"),
        ({"lines": []}, "/lines", "must be 1 to 3 lines"),
        ({"lines": GOOD["lines"] * 4}, "/lines", "must be 1 to 3 lines"),
        ({"lines": {"0": GOOD["lines"][0]}}, "/lines", "must be 1 to 3 lines"),
        ({"lines": [*GOOD["lines"], 5]}, "/lines/1", "must be a line"),
        ({"lines": [*GOOD["lines"], {"sku": "SP-1"}]}, "/lines/1/quantity", "is required"),
        ({"lines": [{"sku": "SP-1", "quantity": 1, "note": ""}]}, "/lines/0/note", "is not a member of a line"),
        ({"lines": [{"sku": "", "quantity": 1}]}, "/lines/0/sku", "must be a text of 1 to 32 characters"),
        ({"gift": 1}, "/gift", "must be true or false"),
        ({"ship_to": "DE"}, "/ship_to", "must be an address"),
        ({"ship_to": {}}, "/ship_to/country", "is required"),
        ({"ship_to": {"country": "DE", "planet": "x"}}, "/ship_to/planet", "is not a member of an address"),
        ({"phone": "1"}, "/phone", "must be a text of 3 to 30 characters"),
        ({"phone": " \u2003 "}, "/phone", "must be a text of 3 to 30 characters"),
        ({"phone": "123\x85"}, "/phone", "must be a text of 3 to 30 characters"),
        ({"phone": "123\u202e"}, "/phone", "must be a text of 3 to 30 characters"),
        ({"phone": "\u200b" * 3}, "/phone", "must be a text of 3 to 30 characters"),
        ({"a/b~c": 1}, "/a~1b~0c", "is not a member of this request"),
        ({"{0} {x!r} .[0]": 1}, "/{0} {x!r} .[0]", "is not a member of this request"),
        ({"x" * 10_000: 1}, "/" + "x" * 64, "is not a member of this request"),
        ({"~" * 10_000: 1}, "/" + "~0" * 64, "is not a member of this request"),
    ],
)
def test_a_fault_is_reported_with_its_pointer_and_message(change: dict[str, Any], pointer: str, message: str):
    assert fault(GOOD | change) == (pointer, message)


@pytest.mark.parametrize("sign", [*"\0\n\r\t\x1b\x7f\x85\u200b\u2028\u2029\u202a\u202e\u2060\u2066\u2069\ufeff"])
@pytest.mark.parametrize("member", ["name", "company", "street", "line1", "house_number", "city", "region", "phone"])
def test_a_part_of_an_address_has_no_unprintable_character(member: str, sign: str):
    parse(GOOD | {"ship_to": {"country": "DE", member: "Zoë 7-a/b 漢字"}})
    assert fault(GOOD | {"ship_to": {"country": "DE", member: f"A{sign}B"}})[0] == f"/ship_to/{member}"


@pytest.mark.parametrize("postal_code", ["10115", "SW1A 1AA", "00-950", "1000-001", "K1A 0B1", "7"])
def test_a_postal_code_has_letters_digits_blanks_and_hyphens(postal_code: str):
    parse(GOOD | {"ship_to": {"country": "DE", "postal_code": postal_code}})


@pytest.mark.parametrize("postal_code", ["", " ", "-", "!!!", "1\n2", "1" * 21, "\uff11\uff12", 7, None])
def test_another_text_is_no_postal_code(postal_code: object):
    message = "must be a postal code of at most 20 letters, digits, spaces or -"
    assert fault(GOOD | {"ship_to": {"country": "DE", "postal_code": postal_code}}) == ("/ship_to/postal_code", message)


@pytest.mark.parametrize("quantity", ["true", "1.0", "1e0", '"1"', "null", "0", "101", "1" + "0" * 400])
def test_a_whole_number_is_written_as_one_and_lies_within_its_limits(quantity: str):
    with pytest.raises(Refused) as raised:
        ORDER.parse(request(f'{{"currency": "EUR", "lines": [{{"sku": "x", "quantity": {quantity}}}]}}'))
    assert raised.value.errors == [{"pointer": "/lines/0/quantity", "message": "must be a whole number from 1 to 100"}]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"surplus": 1}, "/currency"),
        ({"lines": [], "surplus": 1}, "/currency"),
        ({"surplus": 1, "lines": [], "currency": ""}, "/currency"),
        ({"surplus": 1, "gift": 0, "lines": []} | {"currency": "EUR"}, "/lines"),
        ({"surplus": 1, "more": 1} | GOOD, "/surplus"),
        ({"more": 1, "surplus": 1} | GOOD, "/more"),
        (GOOD | {"lines": [{"quantity": 0, "x": 1, "sku": ""}]}, "/lines/0/sku"),
    ],
)
def test_of_several_faults_missing_members_come_first_then_values_in_the_schemas_order(body: object, pointer: str):
    assert fault(body)[0] == pointer


def test_an_optional_body_may_be_empty():
    options = JsonBody({"properties": {"force": fields.BOOLEAN}, "additionalProperties": False})
    assert options.parse(request(" \n"), required=False) == {}
    assert options.parse(request('{"force": true}'), required=False) == {"force": True}
    with pytest.raises(Refused, match="INVALID_JSON"):
        options.parse(request(""))
    for text in ("\f", "\v", "\u00a0", "\u2028"):
        with pytest.raises(Refused, match="INVALID_JSON"):
            options.parse(request(text), required=False)


@pytest.mark.parametrize(
    ("raw_body", "media_type", "status", "code"),
    [
        ("{}", "text/plain", 415, "UNSUPPORTED_MEDIA_TYPE"),
        ("{", "application/json", 400, "INVALID_JSON"),
        ('{"currency": "EUR", "currency": "USD"}', "application/json", 400, "INVALID_JSON"),
        ("[]", "application/json", 400, "INVALID_REQUEST"),
    ],
)
def test_a_body_that_is_not_a_json_object_is_refused_first(raw_body: str, media_type: str, status: int, code: str):
    with pytest.raises(Refused) as raised:
        ORDER.parse(request(raw_body, media_type))
    assert (status_of(raised.value), raised.value.code) == (status, code)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=6,
)
MEMBERS = st.sampled_from([*ORDER.schema["properties"], "surplus"])
VALUES = (
    JSON
    | st.sampled_from(["DE", "EUR"])
    | st.lists(st.dictionaries(st.sampled_from(["sku", "quantity", "x"]), JSON), max_size=4)
    | st.dictionaries(st.sampled_from(["country", "city", "x"]), JSON)
)


@given(st.dictionaries(MEMBERS, VALUES))
def test_the_verdict_is_that_of_another_implementation(change: dict[str, Any]):
    body = GOOD | change
    assert Draft4Validator(ORDER.schema).is_valid(body) == accepted(body)


def accepted(body: object) -> bool:
    try:
        return parse(body) == body
    except Refused:
        return False

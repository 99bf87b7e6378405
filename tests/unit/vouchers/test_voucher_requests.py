"""Requests to vouchers: each field, and the meaning of dates."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from setpieces.errors import Refused
from setpieces.rest_api import Request, status_of
from tests.unit.vouchers.batches import BATCH_REQUEST
from vouchers.requests import (
    CreateBatch,
    RedeemReservation,
    RedeemVoucher,
    ReleaseReservation,
    ReserveVoucher,
    parse_batch_id,
    parse_create_batch,
    parse_order_voucher,
    parse_redeem_voucher,
    parse_show_batch,
)

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
BATCH_ID = "VB" + "0" * 24
CODE = "22222222222222"
ORDER = {"order_number": "T000000001"}


def request(
    body: Any = None,
    *,
    query: dict[str, str] | None = None,
    batch_id: str = BATCH_ID,
    customer_id: str = "",
    caller: str = "grace",
    key: str | None = None,
    code: str = CODE,
    order_number: str = "T000000001",
) -> Request:
    headers = {"content-type": "application/json"} | ({"idempotency-key": key} if key else {})
    raw = body if isinstance(body, str) else json.dumps(body)
    authorizer = {"customer_id": customer_id, "principalId": caller}
    path_parameters = {"batch_id": batch_id, "code": code, "order_number": order_number}
    return Request("POST", "/v1/things", path_parameters, query or {}, headers, raw, "r", "c", authorizer, lambda: 5.0)


def create_batch(body: Any) -> CreateBatch:
    return parse_create_batch(request(body), NOW)


def order_voucher(body: Any, **options: Any) -> Any:
    return parse_order_voucher(request(body, **options))


def redemption(body: Any, **options: Any) -> RedeemVoucher:
    return parse_redeem_voucher(request(body, **options))


def link_seconds(text: str) -> int:
    return parse_show_batch(request(query={"link_seconds": text}), 3600).link_seconds


def refusal(call: Any, *arguments: Any, **options: Any) -> tuple[int, str]:
    """(status, pointer or code) of the problem that it raises."""
    with pytest.raises(Refused) as raised:
        call(*arguments, **options)
    problem = raised.value
    return status_of(problem), problem.errors[0]["pointer"] if problem.errors else problem.code


def test_a_date_begins_with_its_first_second_and_ends_with_its_last():
    command = create_batch(BATCH_REQUEST)
    moments = {"valid_from": "2026-12-01T00:00:00Z", "valid_to": "2026-12-31T23:59:59Z"}
    assert command == CreateBatch(command.batch_id, "grace", **BATCH_REQUEST | moments, one_time=False)


@pytest.mark.parametrize(
    ("valid_from", "stored"),
    [
        ("2026-12-01T10:00:00Z", "2026-12-01T10:00:00Z"),
        ("2026-12-01T10:00:00+02:00", "2026-12-01T08:00:00Z"),
        ("2026-12-01t10:00:00.5z", "2026-12-01T10:00:00Z"),
        ("2026-11-23", "2026-11-23T00:00:00Z"),
        ("2026-11-23T01:00:00Z", "2026-11-23T01:00:00Z"),
    ],
)
def test_a_date_time_is_the_same_moment_in_utc(valid_from, stored):
    assert create_batch(BATCH_REQUEST | {"valid_from": valid_from}).valid_from == stored


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("count", [0, -1, 1_000_001, 1.5, "10", True, None, [], 10**30]),
        ("value", [0, -5, 1_000_001, 9.99, "100", False, None]),
        ("currency", ["eur", "EURO", "", "€", 978, None]),
        ("campaign", ["", "  ", "x" * 81, "a\nb", "a\tb", "a\u0000b", "a\u2028b", 5, None]),
        (
            "campaign",
            ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "\r=1", "\uff1d1", "\uff0b1", "\uff0d1", "\uff20x"],
        ),
        ("notify", ["", "a", "a@b", "a b@example.com", "a@example.com,b@example.com", "<a@example.com>", 7, None]),
        (
            "notify",
            ["a..b@example.com", ".a@example.com", "a.@example.com", "a@x..com", "a@example.test", "ä@example.com"],
        ),
        ("notify", ["a\u200b@example.com", "a@exam\u202eple.com", "a@example.com\0", "a@xn--a.example"]),
        ("notify", ["a@example.com\nBcc: b@example.com", "a" * 65 + "@example.com", "a@" + "b" * 300 + ".com"]),
        (
            "valid_from",
            ["2026-11-22", "2026-11-22T23:59:59Z", "2020-01-01", "2026-13-01", "tomorrow", 20261201, None, ""],
        ),
        ("valid_from", ["2026-12-01T10:00:00", "2026-12-01T10:00Z", "0000-00-00", "9999-12-31T23:59:59-12:00"]),
        ("valid_to", ["2020-12-31", "2026-11-23T12:00:00Z", "2026-11-30", "2036-12-31", "2026-02-30", None, True]),
        ("one_time", ["yes", 1, None]),
        ("codes", [["X"]]),
    ],
)
def test_an_invalid_value_is_refused_with_a_pointer_to_it(field, values):
    for value in values:
        assert refusal(create_batch, BATCH_REQUEST | {field: value}) == (400, f"/{field}"), value


@pytest.mark.parametrize("field", BATCH_REQUEST)
def test_a_missing_member_is_refused(field):
    assert refusal(create_batch, {name: value for name, value in BATCH_REQUEST.items() if name != field}) == (
        400,
        f"/{field}",
    )


@given(
    st.dictionaries(
        st.sampled_from([*BATCH_REQUEST, "one_time", "more"]), st.none() | st.integers() | st.text() | st.floats()
    )
)
def test_any_body_gives_a_command_or_a_refusal(changes):
    status = 0
    try:
        create_batch(BATCH_REQUEST | changes)
    except Refused as problem:
        status = status_of(problem)
    assert status in (0, 400)


def test_the_same_key_of_the_same_caller_is_the_same_batch():
    def batch_id(caller: str, key: str | None) -> str:
        return parse_create_batch(request(BATCH_REQUEST, caller=caller, key=key), NOW).batch_id

    first = batch_id("grace", "first")
    assert batch_id("grace", "first") == first
    others = [batch_id("grace", "second"), batch_id("ada", "first"), batch_id("grace", None), batch_id("grace", None)]
    assert len({first, *others}) == 5
    assert all(parse_batch_id(request(batch_id=one)) == one for one in others)


@pytest.mark.parametrize("name", ["", "VB", "VB" + "g" * 24, "VB" + "0" * 25, "vb" + "0" * 24, "../" + "0" * 24])
def test_other_batch_ids_are_refused(name):
    assert refusal(parse_batch_id, request(batch_id=name)) == (400, "/batch_id")


def test_a_link_lasts_as_long_as_the_query_says():
    assert parse_show_batch(request(), 3600).link_seconds == 3600
    assert link_seconds("1") == 1
    for wrong in ("0", "3601", "-1", "1.5", "", "a", "٣"):
        assert refusal(link_seconds, wrong) == (400, "/link_seconds")


def test_a_redemption_is_for_an_order_and_may_name_a_customer():
    assert redemption(ORDER) == RedeemVoucher(CODE, "T000000001", None, "")
    assert redemption(ORDER, customer_id="C1") == RedeemVoucher(CODE, "T000000001", "C1", "")
    assert redemption(ORDER | {"customer_id": "C1"}, customer_id="C1").customer_id == "C1"
    assert redemption(ORDER | {"customer_id": "ada"}).customer_id == "ada"


def test_a_code_in_the_path_is_normalised():
    assert redemption(ORDER, code="2222-%202222222222").code == CODE
    assert refusal(redemption, ORDER, code="22222222222223") == (404, "VOUCHER_NOT_FOUND")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/order_number"),
        ({"order_number": "T1"}, "/order_number"),
        ({"order_number": 100000001}, "/order_number"),
        ({"order_number": None}, "/order_number"),
        (ORDER | {"customer_id": "a b"}, "/customer_id"),
        (ORDER | {"value": 5}, "/value"),
    ],
)
def test_other_redemptions_are_refused(body, pointer):
    assert refusal(redemption, body) == (400, pointer)


def test_a_redemption_without_a_body_is_refused():
    assert refusal(redemption, "") == (400, "INVALID_JSON")


def test_another_customers_redemption_is_refused():
    other = ORDER | {"customer_id": "C000000002"}
    assert refusal(redemption, other, customer_id="C000000001") == (403, "CUSTOMER_MISMATCH")
    assert refusal(redemption, other) == (403, "CUSTOMER_MISMATCH")


RESERVATION = {"state": "reserved", "amount": 1000, "currency": "EUR", "expires_at": "2026-12-31T12:00:00+01:00"}


def test_an_order_reserves_redeems_and_releases_a_voucher():
    reservation = ReserveVoucher(CODE, "T000000001", 1000, "EUR", "2026-12-31T11:00:00Z", 0, None)
    assert order_voucher(RESERVATION) == reservation
    assert order_voucher(RESERVATION | {"attempt": 2, "customer_id": "C1"}) == replace(
        reservation, attempt=2, customer_id="C1"
    )
    assert order_voucher({"state": "redeemed"}) == RedeemReservation(CODE, "T000000001")
    assert order_voucher({"state": "released", "attempt": 3}) == ReleaseReservation(CODE, "T000000001", 3)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, "/state"),
        ({"state": "sold"}, "/state"),
        *[({name: value for name, value in RESERVATION.items() if name != missing}, f"/{missing}") for missing in RESERVATION],
        (RESERVATION | {"amount": -1}, "/amount"),
        (RESERVATION | {"amount": True}, "/amount"),
        (RESERVATION | {"currency": "eur"}, "/currency"),
        (RESERVATION | {"expires_at": "2026-12-31"}, "/expires_at"),
        (RESERVATION | {"expires_at": "2026-13-31T12:00:00Z"}, "/expires_at"),
        (RESERVATION | {"attempt": -1}, "/attempt"),
        (RESERVATION | {"customer_id": "a b"}, "/customer_id"),
        (RESERVATION | {"value": 5}, "/value"),
    ],
)  # fmt: skip
def test_other_requests_of_orders_are_refused(body, expected):
    assert refusal(order_voucher, body) == (400, expected)


def test_a_malformed_order_number_in_the_path_is_refused():
    assert refusal(order_voucher, RESERVATION, order_number="T1") == (400, "/order_number")

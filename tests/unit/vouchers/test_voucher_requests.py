"""What may be asked for: every field by itself, and what dates mean."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from setpieces.problems import Problem
from setpieces.rest_api import Request
from vouchers.requests import batch_id, link_seconds, new_batch, new_batch_id, redemption

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
GOOD: dict[str, Any] = {
    "count": 24,
    "campaign": "Winter sale",
    "value": 1000,
    "currency": "EUR",
    "valid_from": "2026-12-01",
    "valid_to": "2026-12-31",
    "notify": "grace.sample@example.com",
}


def request(
    body: Any = None, query: dict[str, str] | None = None, customer_id: str = "", key: str | None = None
) -> Request:
    headers = {"content-type": "application/json"} | ({"idempotency-key": key} if key else {})
    raw = body if isinstance(body, str) else json.dumps(body)
    authorizer = {"customer_id": customer_id}
    return Request("POST", "/v1/things", {}, query or {}, headers, raw, "r", "c", authorizer, lambda: 5.0)


def refusal(call: Any, *arguments: Any) -> tuple[int, str]:
    """(status, pointer or code) of the problem that it raises."""
    with pytest.raises(Problem) as raised:
        call(*arguments)
    problem = raised.value
    return problem.status, problem.errors[0]["pointer"] if problem.errors else problem.code


def test_a_date_begins_with_its_first_second_and_ends_with_its_last():
    wanted = new_batch(request(GOOD), NOW)
    assert wanted == GOOD | {
        "valid_from": "2026-12-01T00:00:00Z",
        "valid_to": "2026-12-31T23:59:59Z",
        "one_time": False,
    }


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("2026-12-01T10:00:00Z", "2026-12-01T10:00:00Z"),
        ("2026-12-01T10:00:00+02:00", "2026-12-01T08:00:00Z"),
        ("2026-12-01t10:00:00.5z", "2026-12-01T10:00:00Z"),
        ("2026-11-23", "2026-11-23T00:00:00Z"),
        ("2026-11-23T01:00:00Z", "2026-11-23T01:00:00Z"),
    ],
)
def test_a_date_time_is_the_same_moment_in_utc(sent, stored):
    assert new_batch(request(GOOD | {"valid_from": sent}), NOW)["valid_from"] == stored


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
def test_what_is_wrong_is_refused_with_a_pointer_to_it(field, values):
    for value in values:
        assert refusal(new_batch, request(GOOD | {field: value}), NOW) == (400, f"/{field}"), value


@pytest.mark.parametrize("field", GOOD)
def test_what_is_missing_is_refused(field):
    assert refusal(new_batch, request({k: v for k, v in GOOD.items() if k != field}), NOW) == (400, f"/{field}")


@given(
    st.dictionaries(st.sampled_from([*GOOD, "one_time", "more"]), st.none() | st.integers() | st.text() | st.floats())
)
def test_anything_else_is_a_problem_and_never_a_crash(sent):
    status = 0
    try:
        wanted = new_batch(request(GOOD | sent), NOW)
    except Problem as problem:
        status = problem.status
    assert status == 400 or set(wanted) == {*GOOD, "one_time"}


def test_the_same_key_of_the_same_caller_is_the_same_batch():
    assert new_batch_id("grace", "first") == new_batch_id("grace", "first")
    others = {new_batch_id("grace", "second"), new_batch_id("ada", "first"), new_batch_id("grace", None)}
    assert len(others | {new_batch_id("grace", "first"), new_batch_id("grace", None)}) == 5
    assert all(batch_id(name) == name for name in others)


@pytest.mark.parametrize("name", ["", "VB", "VB" + "g" * 24, "VB" + "0" * 25, "vb" + "0" * 24, "../" + "0" * 24])
def test_other_ids_are_none(name):
    assert refusal(batch_id, name) == (400, "/batch_id")


def test_a_link_lasts_as_long_as_is_wanted():
    assert link_seconds(request(), 3600) == 3600
    assert link_seconds(request(query={"link_seconds": "1"}), 3600) == 1
    for wrong in ("0", "3601", "-1", "1.5", "", "a", "٣"):
        assert refusal(link_seconds, request(query={"link_seconds": wrong}), 3600) == (400, "/link_seconds")


def test_a_redemption_says_for_what_and_for_whom_if_anything():
    assert redemption(request("")) == {}
    assert redemption(request({"order_number": "T000000001"})) == {"order_number": "T000000001"}
    assert redemption(request({}, customer_id="C1")) == {"customer_id": "C1"}
    assert set(redemption(request({"customer_id": "C1"}, customer_id="C1", key="k"))) == {"customer_id", "by"}


@pytest.mark.parametrize(
    ("sent", "pointer"),
    [
        ({"order_number": "T1"}, "/order_number"),
        ({"order_number": 100000001}, "/order_number"),
        ({"order_number": None}, "/order_number"),
        ({"customer_id": "a b"}, "/customer_id"),
        ({"value": 5}, "/value"),
    ],
)
def test_other_redemptions_are_refused(sent, pointer):
    assert refusal(redemption, request(sent)) == (400, pointer)


def test_nobody_redeems_for_another_customer():
    assert refusal(redemption, request({"customer_id": "C2"}, customer_id="C1")) == (403, "CUSTOMER_MISMATCH")

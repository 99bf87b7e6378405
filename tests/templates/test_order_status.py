"""The mapping templates of the orders API, rendered: their requests to DynamoDB, and what they return of its response."""

import itertools
import json
import re
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from apigw_executor.mapping import render
from model.settings import ROOT
from orders.domain.statuses import PROCESSING, STATUSES
from setpieces.dynamodb_types import to_item
from tests.deployed import tables

NOW = 1_800_000_000
PATHS = yaml.safe_load((ROOT / "schemas" / "api" / "orders.yaml").read_text())["paths"]
HISTORY = "/v1/orders"
STATUS, INTERNAL = "/v1/orders/{order_number}/status", "/v1/internal/orders/{order_number}"
ORDER = {
    "order_number": "T100000001",
    "customer_id": "C1",
    "owner": "C1",
    "basket_id": "b",
    "payment_token": "tok_secret",
    "ship_to": {"name": 'Ada "the" Sample', "country": "DE", "postal_code": "1"},
    "backend_status": "Validating",
    "correlation_id": "c",
    "created_at": NOW,
    "updated_at": "2027-01-15T08:00:00Z",
    "expires_at": NOW + 100,
}
PAID = {"amount": 4758, "currency": "EUR", "tax": {"tax_total": 760, "source": "cached_rates"}, "charge_id": "ch-1"}


def integration(path: str) -> dict[str, Any]:
    return PATHS[path]["get"]["x-amazon-apigateway-integration"]


def dynamodb_request(path: str, number: str) -> dict[str, Any]:
    """The request to DynamoDB."""
    template = integration(path)["requestTemplates"]["application/json"]["Fn::Sub"].replace("${Table}", "orders")
    return json.loads(render(template, "", {"path": {"order_number": number}}, {}, {}))


def render_response(
    path: str, order: dict[str, Any] | None, caller: str = "C1", number: str = "T100000001", now: int = NOW
):
    """(status, headers, body) of the response to DynamoDB's result."""
    response = {"Item": to_item(order)} if order else {}
    return rendered(path, response, caller, {"path": {"order_number": number}}, now)


def rendered(path: str, response: dict[str, Any], caller: str, parameters: dict[str, dict[str, str]], now: int = NOW):
    """(status, headers, body) that the response template renders from DynamoDB's response."""
    override: dict[str, Any] = {"header": {}}
    context = {
        "requestTimeEpoch": now * 1000 + 321,
        "requestId": "r",
        "authorizer": {"customer_id": caller},
        "responseOverride": override,
    }
    template = integration(path)["responses"]["default"]["responseTemplates"]["application/json"]
    body = json.loads(render(template, json.dumps(response), parameters, context, {}))
    return override.get("status", 200), override["header"], body


@pytest.mark.parametrize("path", [STATUS, INTERNAL])
def test_an_order_is_read_as_it_is_stored_now(path: str):
    assert dynamodb_request(path, "T100000001") == {
        "TableName": "orders",
        "Key": {"order_number": {"S": "T100000001"}},
        "ConsistentRead": True,
    }


@pytest.mark.parametrize("path", [STATUS, INTERNAL])
@given(
    st.text(max_size=40)
    | st.sampled_from(
        [
            "T1",
            "key#abc",
            'T100000001"}',
            "T100000001\n",
            "T\u0661\u0660\u0660\u0660\u0660\u0660\u0660\u0660\u0661",
            "$input",
        ]
    )
)
def test_an_invalid_number_reads_no_other_item(path: str, number: str):
    assert dynamodb_request(path, number)["Key"] == {"order_number": {"S": "none"}}


@pytest.mark.parametrize(("name", "reason"), list(itertools.product(STATUSES, [None, "PROCESSING_FAILED"])))
def test_every_status_is_returned_as_its_public_status(name: str, reason: str | None):
    order = ORDER | PAID | {"backend_status": name, "in_progress": "in-progress"}
    status, headers, body = render_response(STATUS, order | ({"reason_code": reason} if reason else {}))
    public = STATUSES[name].public
    expected = {"order_number": "T100000001", "status": public, "updated_at": ORDER["updated_at"]}
    assert (status, body) == (200, expected | ({"reason_code": reason} if reason else {}))
    assert ("Retry-After" in headers) == (public == PROCESSING)


@pytest.mark.parametrize(
    ("age", "wait"),
    [(-3, "1"), (0, "1"), (4, "1"), (5, "2"), (19, "2"), (20, "5"), (59, "5"), (60, "15"), (9_000, "15")],
)
def test_the_older_an_order_is_the_less_often_it_is_worth_asking(age: int, wait: str):
    order = ORDER | {"created_at": NOW - age}
    assert render_response(STATUS, order)[1] == {"Retry-After": wait}


@pytest.mark.parametrize(
    ("owner", "caller", "visible"),
    [
        ("C1", "C1", True),
        ("C1", "C2", False),
        ("C1", "", False),
        ("", "", True),
        ("", "C1", False),
        ("C1", "c1", False),
    ],
)
def test_another_customers_order_is_404(owner: str, caller: str, visible: bool):
    status, headers, body = render_response(STATUS, ORDER | {"owner": owner}, caller)
    assert (status == 200) == visible
    if not visible:
        assert (status, headers, body) == render_response(STATUS, None, caller)
        assert (status, headers["Content-Type"], body["code"]) == (404, "application/problem+json", "ORDER_NOT_FOUND")


@pytest.mark.parametrize(("seconds_left", "status"), [(1, 200), (0, 410), (-1, 410), (-1_000_000, 410)])
def test_an_expired_order_is_gone_before_its_removal(seconds_left: int, status: int):
    assert render_response(STATUS, ORDER | {"expires_at": NOW + seconds_left})[0] == status
    assert render_response(STATUS, ORDER | {"expires_at": NOW + seconds_left}, caller="C2")[0] == 404


@pytest.mark.parametrize("number", ["", "T1", "T1000000000012", "t100000001", "T10000000x", 'T100000001"'])
def test_an_invalid_order_number_is_a_400(number: str):
    status, _, body = render_response(STATUS, None, number=number)
    assert (status, body["code"]) == (400, "INVALID_ORDER_NUMBER")


@pytest.mark.parametrize("number", ["T100000001", "T1000000000", "T999999999999"])
def test_a_number_has_nine_to_twelve_digits(number: str):
    for path in (STATUS, INTERNAL):
        assert dynamodb_request(path, number)["Key"] == {"order_number": {"S": number}}
    assert render_response(STATUS, ORDER | {"order_number": number}, number=number)[2]["order_number"] == number
    assert history_request("C1", number)["ExclusiveStartKey"]["order_number"] == {"S": number}


def test_the_internal_api_returns_what_events_omit():
    responses = {
        "order_number": "T100000001",
        "customer_id": "C1",
        "backend_status": "Payment processing",
        "amount": 4758,
        "currency": "EUR",
        "payment_token": "tok_secret",
        "correlation_id": "c",
        "updated_at": ORDER["updated_at"],
        "tax_source": "cached_rates",
        "tax_total": 760,
    }
    order = ORDER | PAID | {"backend_status": "Payment processing"}
    assert render_response(INTERNAL, order) == (200, {}, responses)
    reason = {"rejected_reason": "VOUCHER_UNAVAILABLE"}
    assert render_response(INTERNAL, order | reason) == (200, {}, responses | reason)


@pytest.mark.parametrize("name", STATUSES)
def test_the_internal_api_returns_an_order_without_optional_members(name: str):
    order = ORDER | {"backend_status": name, "reason_code": "EMPTY_BASKET"}
    del order["payment_token"]
    status, _, body = render_response(INTERNAL, order)
    assert (status, body["backend_status"], body["reason_code"]) == (200, name, "EMPTY_BASKET")
    assert (body["amount"], body["currency"], body["payment_token"]) == (0, "", "")


def test_the_internal_api_returns_404_for_an_unknown_order():
    status, _, body = render_response(INTERNAL, None)
    assert (status, body["code"]) == (404, "ORDER_NOT_FOUND")


def test_a_status_that_only_a_newer_version_knows_is_one_in_progress():
    newer = ORDER | {"backend_status": "On hold"}
    status, headers, body = render_response(STATUS, newer)
    assert (status, body["status"], headers) == (200, PROCESSING, {"Retry-After": "1"})
    assert history([newer])[1]["items"][0]["status"] == PROCESSING


# --- the history ---
def history_request(caller: str, token: str) -> dict[str, Any]:
    """The request to DynamoDB for a page of the history."""
    template = integration(HISTORY)["requestTemplates"]["application/json"]["Fn::Sub"].replace("${Table}", "orders")
    context = {"authorizer": {"customer_id": caller}}
    return json.loads(render(template, "", {"querystring": {"page_token": token}}, context, {}))


def history(orders: list[dict[str, Any]], caller: str = "C1", token: str = "", last: str = ""):
    """(status, body) of the response to DynamoDB's result; ``last`` is the last number of a page with a next page."""
    response: dict[str, Any] = {"Items": [to_item(order) for order in orders]}
    if last:
        response["LastEvaluatedKey"] = to_item({"history_of": caller, "order_number": last})
    status, _, body = rendered(HISTORY, response, caller, {"querystring": {"page_token": token}})
    return status, body


def test_the_history_reads_exactly_what_its_index_projects():
    """The key of the index and of the table is always projected."""
    indexes = {index["IndexName"]: index for index in tables("orders")["orders.Table"]["GlobalSecondaryIndexes"]}
    template = integration(HISTORY)["responses"]["default"]["responseTemplates"]["application/json"]
    attributes = set(re.findall(r"\$order\.(\w+)\.[NS]", template))
    assert attributes - {"order_number"} == set(indexes["history"]["Projection"]["NonKeyAttributes"])


def test_a_history_is_queried_newest_first_from_the_end_of_the_page_before():
    first = {
        "TableName": "orders",
        "IndexName": "history",
        "KeyConditionExpression": "history_of = :owner",
        "ExpressionAttributeValues": {":owner": {"S": "C1"}},
        "ScanIndexForward": False,
        "Limit": 20,
    }
    assert history_request("C1", "") == first
    start = {"history_of": {"S": "C1"}, "order_number": {"S": "T100000001"}}
    assert history_request("C1", "T100000001") == first | {"ExclusiveStartKey": start}


@pytest.mark.parametrize(("caller", "token"), [("", ""), ("", "T100000001"), ("C1", 'T1"}'), ("C1", "key#a")])
def test_guests_and_invalid_page_tokens_query_no_orders(caller: str, token: str):
    request = history_request(caller, token)
    assert request["ExpressionAttributeValues"] == {":owner": {"S": " "}}
    assert "ExclusiveStartKey" not in request
    status, body = history([], caller, token)
    assert (status, body["code"]) == ((401, "NO_SESSION") if not caller else (400, "INVALID_PAGE_TOKEN"))


@pytest.mark.parametrize("name", STATUSES)
def test_a_history_shows_the_public_status(name: str):
    view = {"order_number": "T100000001", "status": STATUSES[name].public, "updated_at": ORDER["updated_at"]}
    assert history([ORDER | {"backend_status": name}]) == (200, {"items": [view]})
    more = {"amount": 4758, "currency": "EUR", "reason_code": "PAYMENT_DECLINED"}
    assert history([ORDER | PAID | more | {"backend_status": name}]) == (200, {"items": [view | more]})


def test_a_history_is_paged_and_omits_expired_orders():
    orders = [ORDER | {"order_number": f"T10000000{number}"} for number in range(4)]
    for number, seconds_left in ((0, 0), (2, -5)):
        orders[number]["expires_at"] = NOW + seconds_left
    status, body = history(orders, last="T100000003")
    assert (status, body["next_page_token"]) == (200, "T100000003")
    assert [item["order_number"] for item in body["items"]] == ["T100000001", "T100000003"]
    assert history([]) == (200, {"items": []})

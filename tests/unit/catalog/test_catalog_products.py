"""The catalog's functions from the HTTP event to the call of the commerce platform."""

import importlib
import json
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog import clients
from catalog.cache import Cache
from catalog.views import products as products_module
from catalog.views import responses
from setpieces.errors import ExternalUnavailable, Refused
from setpieces.external import Answer
from setpieces.rest_api import status_of

PRODUCT = {
    "sku": "SP-1",
    "name": "Keep",
    "description": "400 bricks",
    "category": "Castles",
    "unit_price": 3999,
    "currency": "EUR",
    "available": True,
    "status": "active",
    "stock": 7,
    "max_per_customer": 5,
    "price_version": 1,
    "version": 1,
}
SUMMARY = {"sku": "SP-1", "name": "Keep", "unit_price": 3999, "currency": "EUR", "available": True}
DETAIL = SUMMARY | {"description": "400 bricks", "category": "Castles"}


@pytest.fixture
def platform(monkeypatch):
    """The commerce platform: ``answer`` is what it gives or raises, ``calls`` what it was asked."""
    state = SimpleNamespace(answer=Answer(200, {"items": [PRODUCT], "next_page_token": "t2"}), calls=[])

    def call(system, method, *path, timeout, query=None):
        state.calls.append((system, method, path, query, timeout))
        if isinstance(state.answer, Exception):
            raise state.answer
        return state.answer

    monkeypatch.setattr(clients.external, "call", call)
    return state


@pytest.fixture
def get(monkeypatch):
    """Call a catalog function that has just started: status, body, headers."""

    def request(function, *, sku=None, query=None, headers=None, remaining=5.0):
        app = importlib.import_module(f"catalog.handlers.{function}")
        event = {
            "httpMethod": "GET",
            "path": "/v1/products",
            "pathParameters": {"sku": sku} if sku else None,
            "queryStringParameters": query,
            "headers": headers,
            "body": None,
            "requestContext": {"requestId": "r"},
        }
        context = SimpleNamespace(
            function_name="f",
            memory_limit_in_mb=1024,
            invoked_function_arn="arn:aws:lambda:eu-central-1:123456789012:function:f",
            aws_request_id="1",
            get_remaining_time_in_millis=lambda: remaining * 1000,
        )
        answer = app.handler(event, context)
        body = json.loads(answer["body"]) if answer["body"] else None
        return answer["statusCode"], body, answer["headers"]

    for function in ("list_products", "show_product"):
        monkeypatch.setattr(importlib.import_module(f"catalog.handlers.{function}"), "CACHE", Cache())
    return request


def test_a_page_shows_only_what_the_public_may_see(platform, get):
    status, body, headers = get("list_products")
    assert (status, body) == (200, {"items": [SUMMARY], "next_page_token": "t2"})
    assert headers["Cache-Control"] == "public, max-age=30"
    assert headers["Age"] == "0"
    assert headers["Access-Control-Allow-Origin"] == "*"


def test_a_product_has_its_description(platform, get):
    platform.answer = Answer(200, PRODUCT)
    assert get("show_product", sku="SP-1")[:2] == (200, DETAIL)
    assert platform.calls[0][:4] == ("commerce", "GET", ("products", "SP-1"), None)


@pytest.mark.parametrize(
    ("query", "asked"),
    [
        (None, {}),
        ({"query": "  CASTLE "}, {"query": "castle"}),
        ({"query": "", "page_token": ""}, {}),
        ({"page_token": "t2", "colour": "red", "limit": "1000000"}, {"page_token": "t2"}),
    ],
)
def test_the_platform_is_asked_only_what_we_know(platform, get, query, asked):
    assert get("list_products", query=query)[0] == 200
    assert platform.calls[0][3] == asked


def test_the_same_question_is_asked_once(platform, get):
    for spelling in ("Castle", "castle ", "CASTLE"):
        get("list_products", query={"query": spelling})
    assert len(platform.calls) == 1


@pytest.mark.parametrize(
    ("query", "pointer"), [({"query": "x" * 101}, "/query"), ({"page_token": "x" * 513}, "/page_token")]
)
def test_bad_parameters_are_400_without_asking(platform, get, query, pointer):
    status, body, _ = get("list_products", query=query)
    assert (status, body["errors"][0]["pointer"]) == (400, pointer)
    assert platform.calls == []


def test_a_page_token_that_the_platform_refuses_is_400(platform, get):
    platform.answer = Answer(400, {"code": "INVALID_REQUEST"})
    status, body, _ = get("list_products", query={"page_token": "forged"})
    assert (status, body["errors"][0]["pointer"]) == (400, "/page_token")


@pytest.mark.parametrize("status", [404, 410])
def test_an_unknown_product_is_404(platform, get, status):
    platform.answer = Answer(status, {})
    answer = get("show_product", sku="SP-9")
    assert (answer[0], answer[1]["code"]) == (404, "PRODUCT_NOT_FOUND")
    assert answer[2]["Cache-Control"] == "no-store"


@pytest.mark.parametrize("sku", ["..", ".", "%2E%2E", "a%2Fb", "%00", "x" * 129, "a b", "%F0%9F%A7%B1", "%", "a%0A"])
def test_what_cannot_be_a_sku_is_404_without_asking(platform, get, sku):
    assert get("show_product", sku=sku)[0] == 404
    assert platform.calls == []


@pytest.mark.parametrize(
    "answer",
    [
        ExternalUnavailable("commerce", "slow", timed_out=True),
        Answer(400, {}),
        Answer(302, None),
        Answer(200, None),
        Answer(200, []),
        Answer(200, {"items": {}}),
        Answer(200, {"items": [PRODUCT | {"unit_price": "3999"}]}),
        Answer(200, {"items": [PRODUCT | {"unit_price": True}]}),
        Answer(200, {"items": ["x"]}),
    ],
)
def test_no_usable_answer_is_503_with_a_time_to_come_back(platform, get, answer):
    platform.answer = answer
    status, body, headers = get("list_products")
    assert (status, body["code"], headers["Retry-After"]) == (503, "CATALOG_UNAVAILABLE", "2")


def test_the_platforms_advice_is_passed_on_within_reason(platform, get):
    platform.answer = ExternalUnavailable("commerce", "answered 503", retry_after=86_400)
    assert get("list_products")[2]["Retry-After"] == "60"


@pytest.mark.parametrize(("remaining", "timeout"), [(5.0, 2.5), (2.0, 1.5), (0.4, -0.1)])
def test_the_platform_gets_no_more_time_than_there_is(platform, get, remaining, timeout):
    get("list_products", remaining=remaining)
    assert platform.calls[0][4] == pytest.approx(timeout)


def test_who_has_the_page_gets_no_body(platform, get):
    tag = get("list_products")[2]["ETag"]
    status, body, headers = get("list_products", headers={"If-None-Match": f'"other", W/{tag}'})
    assert (status, body) == (304, None)
    assert headers["ETag"] == tag
    assert headers["Cache-Control"] == "public, max-age=30"
    assert "Content-Type" not in headers
    assert get("list_products", headers={"If-None-Match": '"other"'})[0] == 200


@pytest.mark.parametrize(
    ("header", "known"), [("*", True), ('"t"', True), ('W/"t"', True), ('"a", "t"', True), ("t", False), ("", False)]
)
def test_entity_tags_are_compared_weakly(header, known):
    assert responses.knows(header, '"t"') is known


@pytest.mark.parametrize(
    ("change", "available"),
    [
        ({}, True),
        ({"available": False}, False),
        ({"status": "retired"}, False),
        ({"available": "yes"}, False),
        ({"stock": 0}, False),
        ({"stock": 1}, True),
        ({"stock": None}, False),
        ({"stock": "9"}, False),
        ({"stock": True}, False),
    ],
)
def test_available_is_what_can_be_bought_now(change, available):
    assert products_module.summary(PRODUCT | change)["available"] is available


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from([*PRODUCT, "items"]), inner),
)


@given(JSON)
def test_views_take_anything_and_give_a_view_or_a_value_error(body):
    for view in (products_module.listing, products_module.detail):
        try:
            view(body)
        except ValueError:
            continue


@given(st.text())
def test_any_path_is_a_sku_or_404(text):
    found: str | int
    try:
        found = products_module.sku(text)
    except Refused as problem:
        found = status_of(problem)
    assert found == 404 or (isinstance(found, str) and len(found) <= 128)

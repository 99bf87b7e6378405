"""The catalog's functions: responses to requests, and calls of the commerce platform."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog import clients
from catalog.domain import is_available
from catalog.requests import parse_show_product
from catalog.views import matches_entity_tag
from setpieces.errors import ExternalUnavailable, Refused
from setpieces.external import Answer
from setpieces.rest_api import Request
from tests.lambda_events import rest_event
from tests.service import Response, Service
from tests.unit.catalog.platform import DETAILS_VIEW, PRODUCT, VIEW, Platform


def show(catalog: Service, sku: str) -> Response:
    return catalog.call("show_product", path={"sku": sku})


def test_a_page_has_only_the_public_part_of_products(catalog: Service):
    response = catalog.call("list_products")
    assert (response.status, response.body) == (200, {"items": [VIEW], "next_page_token": "t2"})
    assert response.headers["Cache-Control"] == "public, max-age=30"
    assert response.headers["Age"] == "0"
    assert response.headers["Access-Control-Allow-Origin"] == "*"


def test_a_product_has_its_description(catalog: Service, platform: Platform):
    platform.response = Answer(200, PRODUCT)
    response = show(catalog, "SP-1")
    assert (response.status, response.body) == (200, DETAILS_VIEW)
    assert platform.calls[0]["path"] == ("products", "SP-1")
    assert platform.calls[0]["query"] is None


@pytest.mark.parametrize(
    ("query", "platform_query"),
    [
        (None, {}),
        ({"query": "  CASTLE \u00a0 Zafé "}, {"query": "CASTLE Zafé"}),
        ({"query": "ß" * 100}, {"query": "ß" * 100}),
        ({"query": "", "page_token": ""}, {}),
        ({"page_token": "t2", "colour": "red", "limit": "1000000"}, {"page_token": "t2"}),
    ],
)
def test_the_platform_receives_known_parameters_in_one_spelling(
    catalog: Service, platform: Platform, query: dict[str, str] | None, platform_query: dict[str, str]
):
    assert catalog.call("list_products", query=query).status == 200
    assert platform.calls[0]["query"] == platform_query


def test_a_query_in_other_spellings_is_served_from_the_cache(catalog: Service, platform: Platform):
    for spelling in ("Castle Zafé", "castle  zafe\u0301", "\uff23\uff21\uff33\uff34\uff2c\uff25\u00a0Zafe"):
        catalog.call("list_products", query={"query": spelling})
    assert len(platform.calls) == 1


@pytest.mark.parametrize(
    ("query", "pointer"), [({"query": "x" * 101}, "/query"), ({"page_token": "x" * 513}, "/page_token")]
)
def test_an_invalid_parameter_is_400_without_a_call_of_the_platform(
    catalog: Service, platform: Platform, query: dict[str, str], pointer: str
):
    response = catalog.call("list_products", query=query)
    assert (response.status, response.body["errors"][0]["pointer"]) == (400, pointer)
    assert platform.calls == []


def test_a_page_token_that_the_platform_refuses_is_400(catalog: Service, platform: Platform):
    platform.response = Answer(400, {"code": "INVALID_REQUEST"})
    response = catalog.call("list_products", query={"page_token": "forged"})
    assert (response.status, response.body["errors"][0]["pointer"]) == (400, "/page_token")


@pytest.mark.parametrize("status", [404, 410])
def test_an_unknown_product_is_404(catalog: Service, platform: Platform, status: int):
    platform.response = Answer(status, {})
    response = show(catalog, "SP-9")
    assert (response.status, response.body["code"]) == (404, "PRODUCT_NOT_FOUND")
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("sku", ["..", ".", "%2E%2E", "a%2Fb", "%00", "x" * 129, "a b", "%F0%9F%A7%B1", "%", "a%0A"])
def test_a_path_parameter_that_is_not_a_sku_is_404_without_a_call_of_the_platform(
    catalog: Service, platform: Platform, sku: str
):
    assert show(catalog, sku).status == 404
    assert platform.calls == []


@pytest.mark.parametrize(
    "platform_response",
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
def test_an_unavailable_platform_or_a_malformed_page_is_503_with_retry_after(
    catalog: Service, platform: Platform, platform_response: Answer | Exception
):
    platform.response = platform_response
    response = catalog.call("list_products")
    assert (response.status, response.body["code"]) == (503, "CATALOG_UNAVAILABLE")
    assert response.headers["Retry-After"] == "2"


def test_retry_after_is_the_platforms_but_at_most_a_minute(catalog: Service, platform: Platform):
    platform.response = ExternalUnavailable("commerce", "answered 503", retry_after=86_400)
    assert catalog.call("list_products").headers["Retry-After"] == "60"


@pytest.mark.parametrize(("seconds_left", "timeout"), [(5.0, 2.5), (2.0, 1.5), (0.4, -0.1)])
def test_the_time_out_leaves_time_for_the_response(
    catalog: Service, platform: Platform, seconds_left: float, timeout: float
):
    catalog.invoke("list_products", rest_event("GET", "/v1/products"), seconds=seconds_left)
    assert platform.calls[0]["timeout"] == pytest.approx(timeout)


def test_a_request_with_the_entity_tag_of_the_page_is_304(catalog: Service):
    tag = catalog.call("list_products").headers["ETag"]
    response = catalog.call("list_products", headers={"If-None-Match": f'"other", W/{tag}'})
    assert (response.status, response.body) == (304, None)
    assert response.headers["ETag"] == tag
    assert response.headers["Cache-Control"] == "public, max-age=30"
    assert "Content-Type" not in response.headers
    assert catalog.call("list_products", headers={"If-None-Match": '"other"'}).status == 200


@pytest.mark.parametrize(
    ("if_none_match", "matches"),
    [("*", True), ('"t"', True), ('W/"t"', True), ('"a", "t"', True), ("t", False), ("", False)],
)
def test_entity_tags_are_compared_weakly(if_none_match: str, matches: bool):
    assert matches_entity_tag(if_none_match, '"t"') is matches


@pytest.mark.parametrize(
    ("members", "available"),
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
def test_a_product_is_available_if_it_is_active_and_in_stock(members: dict[str, Any], available: bool):
    assert is_available(**{"stock": 7, "available": True, "status": "active"} | members) is available


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from([*PRODUCT, "items"]), inner),
)


@given(JSON)
def test_any_body_is_a_page_and_a_product_or_makes_the_platform_unavailable(body: Any):
    for parse in (clients.parse_page, clients.parse_details):
        try:
            parse(body)
        except ExternalUnavailable:
            continue


@given(st.text())
def test_any_path_parameter_is_a_sku_or_not_found(path_parameter: str):
    request = Request("GET", "/", {"sku": path_parameter}, {}, {}, "", "", "", {}, lambda: 5)
    try:
        sku = parse_show_product(request).sku
    except Refused as error:
        code, sku = error.code, ""
    else:
        code = ""
    assert code == "PRODUCT_NOT_FOUND" or 1 <= len(sku) <= 128

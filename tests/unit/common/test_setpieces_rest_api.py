"""The frame around functions behind an API."""

import json

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError
from hypothesis import given
from hypothesis import strategies as st

from setpieces.errors import ExternalUnavailable, Refused, RetryLater
from setpieces.http_refusal import HttpRefusal
from setpieces.rest_api import Request, Response, problem_details, rest_handler
from tests.faults import refused
from tests.lambda_events import CONTEXT, rest_event


def aws_error(code: str, status: int) -> ClientError:
    return refused("GetItem", code, status)


@rest_handler
def echo(request: Request) -> Response:
    return Response(201, request.json(), {"Location": "/v1/things/1"})


def call(handler, event: dict) -> tuple[int, dict, dict]:
    raw = handler(event, CONTEXT)
    return raw["statusCode"], raw["headers"], json.loads(raw["body"]) if raw["body"] else {}


def test_a_response_is_a_proxy_response():
    status, headers, body = call(echo, rest_event(body='{"a": "ü"}'))
    assert (status, body) == (201, {"a": "ü"})
    assert headers["Content-Type"] == "application/json"
    assert headers["Location"] == "/v1/things/1"
    assert headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (None, "INVALID_JSON"),
        ("", "INVALID_JSON"),
        ("{", "INVALID_JSON"),
        ('{"a": NaN}', "INVALID_JSON"),
        ('{"a": Infinity}', "INVALID_JSON"),
        ('{"a": 1e999}', "INVALID_JSON"),
        ('{"a": "\\ud800"}', "INVALID_JSON"),
        ('{"a": 1, "a": 2}', "INVALID_JSON"),
        ('{"a": {"b": 1, "b": 1}}', "INVALID_JSON"),
        ("[" * 100_000, "INVALID_JSON"),
        ("[]", "INVALID_REQUEST"),
        ("null", "INVALID_REQUEST"),
        ('"text"', "INVALID_REQUEST"),
    ],
)
def test_a_body_that_is_not_one_json_object_is_400(body, code):
    status, headers, problem = call(echo, rest_event(body=body))
    assert (status, problem["code"]) == (400, code)
    assert headers["Content-Type"] == "application/problem+json"
    assert problem["request_id"] == "request-1"
    assert problem["instance"] == "/things/v1/things"


@pytest.mark.parametrize("media_type", ["text/plain", "application/xml", "application/json-patch+json", ""])
def test_another_media_type_is_415(media_type):
    status, _, problem = call(echo, rest_event(body="{}", headers={"content-type": media_type}))
    assert (status, problem["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize("media_type", ["application/json", "Application/JSON; charset=utf-8"])
def test_json_is_json_in_any_spelling(media_type):
    assert call(echo, rest_event(body="{}", headers={"CONTENT-TYPE": media_type}))[0] == 201


def test_a_problem_carries_its_headers_and_pointers():
    @rest_handler
    def refuse(request: Request) -> Response:
        raise Refused("QUANTITY_LIMIT", "must be at least 1", "/quantity")

    assert call(refuse, rest_event())[2]["errors"] == [{"pointer": "/quantity", "message": "must be at least 1"}]

    @rest_handler
    def wait(request: Request) -> Response:
        raise RetryLater(7, "later", "DOWN")

    status, headers, _ = call(wait, rest_event())
    assert (status, headers["Retry-After"]) == (503, "7")


def test_an_unexpected_error_is_500_without_its_text():
    @rest_handler
    def broken(request: Request) -> Response:
        raise RuntimeError("secret detail")

    status, _, problem = call(broken, rest_event())
    assert (status, problem["code"]) == (500, "INTERNAL_ERROR")
    assert "secret" not in json.dumps(problem)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ReadTimeoutError(endpoint_url="https://x"), 503),
        (ConnectTimeoutError(endpoint_url="https://x"), 503),
        (EndpointConnectionError(endpoint_url="https://x"), 503),
        (aws_error("InternalServerError", 500), 503),
        (aws_error("ProvisionedThroughputExceededException", 400), 503),
        (aws_error("ThrottlingException", 400), 503),
        (aws_error("AccessDeniedException", 400), 500),
        (aws_error("ConditionalCheckFailedException", 400), 500),
        (KeyError("x"), 500),
    ],
    ids=lambda value: type(value).__name__,
)
def test_aws_out_of_reach_is_503_also_as_the_cause(error, status):
    @rest_handler
    def direct(request: Request) -> Response:
        raise error

    @rest_handler
    def as_a_cause(request: Request) -> Response:
        try:
            raise error
        except Exception as cause:
            raise RuntimeError("secret detail") from cause

    for handler in (direct, as_a_cause):
        response_status, headers, problem = call(handler, rest_event())
        assert response_status == status
        assert ("Retry-After" in headers) == (status == 503)
        assert "secret" not in json.dumps(problem)


def test_a_system_out_of_reach_is_503_with_its_own_advice():
    @rest_handler
    def handler(request: Request) -> Response:
        raise ExternalUnavailable("tax", "secret detail", retry_after=9)

    status, headers, problem = call(handler, rest_event())
    assert (status, headers["Retry-After"]) == (503, "9")
    assert "secret" not in json.dumps(problem)


@pytest.mark.parametrize(
    ("request_id", "response_id"),
    [("abc-1", "abc-1"), ("", "request-1"), ("a b", None), ("x" * 65, None), ("é", None), ("a\nb", None)],
)
def test_the_correlation_id_is_the_callers_if_well_formed(request_id, response_id):
    _, headers, _ = call(echo, rest_event(body="{}", headers={"X-Correlation-Id": request_id}))
    assert headers["X-Correlation-Id"] == response_id if response_id else headers["X-Correlation-Id"] != request_id


@given(st.text(max_size=200))
def test_no_body_makes_a_500(body: str):
    assert call(echo, rest_event(body=body))[0] in (201, 400)


def test_extension_members_of_a_refusal_are_in_its_problem():
    refusal = HttpRefusal(409, "QUOTATION_CHANGED", members={"quotation": {"total": 0}})
    assert problem_details(refusal)["quotation"] == {"total": 0}


def test_empty_members_of_a_problem_are_left_out():
    assert problem_details(Refused("BASKET_NOT_FOUND")) == {
        "type": "https://errors.setpieces.example/basket-not-found",
        "title": "Basket not found",
        "status": 404,
        "code": "BASKET_NOT_FOUND",
    }

"""Responses to the stream's errors that no local stream returns."""

import json
from typing import Any

import pytest

from apigw_executor import mapping
from tests.templates.mapped import RESPONSES, Mapped
from tests.templates.mapping_inputs import context

INGESTION = [case for case in RESPONSES if case.name.startswith("ingestion ")]


def render_response(path: str, status: int, body: Any) -> tuple[int, dict[str, Any], dict[str, str]]:
    """(status, document, headers that the template sets) for the stream's answer, by the rule that API Gateway takes for it."""
    cases = [case for case in INGESTION if case.operation.resource_path == path]
    case = next((case for case in cases if matches(case, status)), None) or cases[0]
    assert case.response
    override: dict[str, Any] = {"header": {}}
    rendered = mapping.render(case.template, json.dumps(body), {}, context(responseOverride=override), {})
    return int(override.get("status") or case.response.status), json.loads(rendered), override["header"]


def matches(case: Mapped, status: int) -> bool:
    return bool(case.response and case.response.pattern and case.response.pattern.fullmatch(str(status)))


def test_a_partly_stored_batch_lists_the_events_to_resend():
    results = [
        {"RecordId": "r1"},
        {"ErrorCode": "ServiceUnavailableException", "ErrorMessage": "Slow down."},
        {"RecordId": "r3"},
    ]
    status, document, _ = render_response("/v1/events/batch", 200, {"FailedPutCount": 1, "RequestResponses": results})
    assert status == 207
    assert document == {
        "accepted": 2,
        "failed": 1,
        "results": [
            {"index": 0, "record_id": "r1"},
            {"index": 1, "error_code": "ServiceUnavailableException"},
            {"index": 2, "record_id": "r3"},
        ],
    }


def test_a_batch_without_stored_events_is_an_error():
    results = [{"ErrorCode": "InternalFailure"}] * 2
    status, document, _ = render_response("/v1/events/batch", 200, {"FailedPutCount": 2, "RequestResponses": results})
    assert (status, document["accepted"], document["failed"]) == (207, 0, 2)


@pytest.mark.parametrize("path", ["/v1/events", "/v1/events/batch"])
@pytest.mark.parametrize(
    ("stream", "kind", "status", "code", "retry"),
    [
        (400, "InvalidArgumentException", 413, "REQUEST_TOO_LARGE", False),
        (400, "ValidationException", 413, "REQUEST_TOO_LARGE", False),
        (400, "com.amazonaws.firehose#ThrottlingException", 429, "THROTTLED", True),
        (400, "LimitExceededException", 429, "THROTTLED", True),
        (400, "ServiceUnavailableException", 503, "INGESTION_UNAVAILABLE", True),
        (400, "ResourceNotFoundException", 500, "INTERNAL_ERROR", False),
        (400, "AccessDeniedException", 500, "INTERNAL_ERROR", False),
    ],
)
def test_a_refusal_of_the_stream_has_the_status_of_its_kind(path, stream, kind, status, code, retry):
    actual_status, problem, headers = render_response(
        path, stream, {"__type": kind, "message": "arn:aws:firehose: not for callers"}
    )
    assert (actual_status, problem["status"], problem["code"]) == (status, status, code)
    assert ("Retry-After" in headers) == retry
    assert "arn:" not in json.dumps(problem)


@pytest.mark.parametrize(
    "message",
    [
        "1 validation error detected: Value '[]' at 'records' failed to satisfy constraint: "
        "Member must have length greater than or equal to 1",
        "Records must not be empty.",
    ],
)
def test_a_batch_without_events_is_a_bad_request(message):
    actual_status, problem, _ = render_response(
        "/v1/events/batch", 400, {"__type": "ValidationException", "message": message}
    )
    assert (actual_status, problem["status"], problem["code"]) == (400, 400, "INVALID_REQUEST")


@pytest.mark.parametrize("path", ["/v1/events", "/v1/events/batch"])
@pytest.mark.parametrize("stream", [500, 503])
def test_a_stream_out_of_reach_is_503(path, stream):
    status, problem, _ = render_response(path, stream, {"__type": "ServiceUnavailableException"})
    assert (status, problem["code"]) == (503, "INGESTION_UNAVAILABLE")

"""The frame around every function behind API Gateway (REST, Lambda proxy integration, payload format 1.0).

    @rest_handler
    def handler(request: Request) -> Response: ...

A ``Problem`` raised anywhere below becomes a problem+json answer; anything else is logged and answered as a 500 without
its text, so that nothing internal leaks.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

from setpieces import observability
from setpieces.errors import RETRY_SECONDS, OutsideUnavailable
from setpieces.observability import CORRELATION_HEADER, logger, metrics, observed
from setpieces.problems import MEDIA_TYPE, Problem, invalid, unavailable

_IDEMPOTENCY_KEY = re.compile(r"[!-~]{1,255}")
# As on the gateway's own answers: any page may read them. Sessions are bearer tokens, which no browser sends by itself.
CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": f"ETag, Location, Retry-After, {CORRELATION_HEADER}",
}


@dataclass(frozen=True)
class Request:
    """One HTTP request: header names in lower case, query parameters with their last value.

    Path parameters stand as in the path, percent-encoded: an id that needs decoding is not one of ours.
    """

    method: str
    path: str
    path_parameters: dict[str, str]
    query: dict[str, str]
    headers: dict[str, str]
    raw_body: str
    request_id: str
    correlation_id: str
    authorizer: dict[str, Any]
    remaining_seconds: Callable[[], float]

    @property
    def client(self) -> str:
        """The address of the caller as the first proxy saw it, "" if none says so.

        A caller of the API itself can make it up: good enough to tell honest clients apart, and no more.
        """
        return self.headers.get("x-forwarded-for", "").partition(",")[0].strip()

    def json(self) -> dict[str, Any]:
        """The body as a JSON object.

        Raises ``Problem`` 415 for another media type (proxy integrations pass any on), and 400 for anything that is not a
        JSON object, duplicate names included.
        """
        media_type = self.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
        if media_type != "application/json":
            raise Problem(415, "UNSUPPORTED_MEDIA_TYPE", "The body must be application/json")
        try:
            body = json.loads(
                self.raw_body, object_pairs_hook=_without_duplicates, parse_constant=_no_constant, parse_float=_finite
            )
            # Half a surrogate pair can be written as an escape but not as UTF-8, so no answer or table could hold it.
            json.dumps(body, ensure_ascii=False).encode()
        except (ValueError, RecursionError) as error:
            raise Problem(400, "INVALID_JSON", f"The body is not valid JSON: {error}") from error
        if not isinstance(body, dict):
            raise invalid("", "The body must be a JSON object")
        return body

    def idempotency_key(self) -> str | None:
        """None if the caller sent no ``Idempotency-Key``. Raises ``Problem`` 400."""
        key = self.headers.get("idempotency-key")
        if key is not None and not _IDEMPOTENCY_KEY.fullmatch(key):
            raise Problem(400, "INVALID_IDEMPOTENCY_KEY", "Idempotency-Key must be 1 to 255 visible ASCII characters")
        return key


@dataclass(frozen=True)
class Response:
    """An answer; ``body`` is JSON-serialisable, ``None`` for an empty one."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


def rest_handler(function: Callable[[Request], Response]) -> Callable[[dict[str, Any], Any], dict[str, Any]]:
    """Turn ``Request -> Response`` into a Lambda handler with logging, tracing and metrics."""

    @wraps(function)
    def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
        request = _request(event, context)
        try:
            response = function(request)
            logger.info("answered", extra={"status": response.status})
        except Problem as problem:
            logger.info("refused", extra={"status": problem.status, "code": problem.code, "detail": problem.detail})
            response = _answer(problem, request)
        except Exception as error:
            logger.exception("unhandled error")
            metrics.add_metric(name="UnhandledError", unit="Count", value=1)
            response = _answer(_fault(error), request)
        return _proxy_response(response, request)

    return observed(handler)


def _fault(error: Exception) -> Problem:
    """503 if AWS or a system was slow or out of reach, so that callers try again; else 500, without the error's text."""
    # Imported here: a function that calls no AWS service does not pay for boto3.
    from setpieces.aws import is_unavailable

    advice = error.advice if isinstance(error, OutsideUnavailable) else RETRY_SECONDS if is_unavailable(error) else 0
    if advice:
        detail = "Something this needs does not answer; send the request again"
        return unavailable("SERVICE_UNAVAILABLE", detail, retry_after=advice)
    return Problem(500, "INTERNAL_ERROR", "An unexpected error occurred")


def _request(event: dict[str, Any], context: Any) -> Request:
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    request_context = event.get("requestContext") or {}
    request_id = request_context.get("requestId", "")
    return Request(
        method=event["httpMethod"],
        # The path as the caller knows it: with the stage, or behind a custom domain with the base path.
        path=request_context.get("path") or event["path"],
        path_parameters=event.get("pathParameters") or {},
        query=event.get("queryStringParameters") or {},
        headers=headers,
        raw_body=event.get("body") or "",
        request_id=request_id,
        correlation_id=observability.begin(headers.get(CORRELATION_HEADER.lower()) or request_id),
        authorizer=request_context.get("authorizer") or {},
        remaining_seconds=lambda: context.get_remaining_time_in_millis() / 1000,
    )


def _answer(problem: Problem, request: Request) -> Response:
    body = problem.body(instance=request.path, request_id=request.request_id)
    return Response(problem.status, body, {"Content-Type": MEDIA_TYPE, **problem.headers})


def _proxy_response(response: Response, request: Request) -> dict[str, Any]:
    headers = {"Cache-Control": "no-store", CORRELATION_HEADER: request.correlation_id, **CORS, **response.headers}
    if response.body is not None:
        headers.setdefault("Content-Type", "application/json")
    body = "" if response.body is None else json.dumps(response.body, separators=(",", ":"), ensure_ascii=False)
    return {"statusCode": response.status, "headers": headers, "body": body}


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """RFC 8259 leaves duplicate names to the reader; two readers that differ are a hole, so they are refused."""
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("an object has the same name twice")
    return members


def _finite(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise ValueError(f"{digits} is too large")
    return number


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")

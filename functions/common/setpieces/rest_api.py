"""The frame around every function behind API Gateway (REST, Lambda proxy integration, payload format 1.0).

    @rest_handler
    def handler(request: Request) -> Response: ...

A ``Refused`` or ``RetryLater`` raised anywhere below becomes a problem+json response; any other exception is logged and
answered with a 500 without its text, so that nothing internal leaks.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

from setpieces import observability
from setpieces.errors import RETRY_SECONDS, ExternalUnavailable, Refused, RetryLater
from setpieces.http_refusal import HttpRefusal
from setpieces.observability import CORRELATION_HEADER, logger, metrics, observed

# The HTTP status of each code that a service refuses a request with.
STATUS = {
    "BASKET_CHANGED": 412,
    "BASKET_FULL": 409,
    "BASKET_NOT_FOUND": 404,
    "BASKET_ORDERED": 409,
    "BATCH_NOT_FOUND": 404,
    "CONFIRMATION_NOT_FOUND": 404,
    "CURRENCY_MISMATCH": 409,
    "CUSTOMER_MISMATCH": 403,
    "DELIVERY_UNAVAILABLE": 422,
    "DOWNLOAD_NOT_FOUND": 404,
    "EMAIL_TAKEN": 409,
    "FEED_NOT_FOUND": 404,
    "IDEMPOTENCY_KEY_REUSED": 409,
    "INSUFFICIENT_STOCK": 409,
    "INVALID_CREDENTIALS": 401,
    "INVALID_IDEMPOTENCY_KEY": 400,
    "INVALID_JSON": 400,
    "INVALID_REQUEST": 400,
    "LINE_NOT_FOUND": 404,
    "MIGRATION_NOT_FOUND": 404,
    "NOT_PURCHASABLE": 409,
    "ORDER_FAILED": 409,
    "ORDER_IN_PROGRESS": 409,
    "ORDER_NOT_FOUND": 404,
    "PRODUCT_NOT_FOUND": 404,
    "PROFILE_CHANGED": 412,
    "PROFILE_NOT_FOUND": 403,
    "QUANTITY_LIMIT": 422,
    "QUOTATION_NOT_FOUND": 404,
    "RESERVATION_CLOSED": 409,
    "RUN_NOT_FOUND": 404,
    "SESSION_INVALID": 401,
    "SESSION_USER_MISMATCH": 403,
    "TOO_MANY_ATTEMPTS": 429,
    "TOTAL_LIMIT": 422,
    "UNKNOWN_DELIVERY_METHOD": 422,
    "UNKNOWN_FEED_TYPE": 404,
    "UNKNOWN_JURISDICTION": 422,
    "UNKNOWN_SKU": 404,
    "UNSUPPORTED_DESTINATION": 422,
    "UNSUPPORTED_MEDIA_TYPE": 415,
    "VOUCHER_CANCELLED": 409,
    "VOUCHER_CURRENCY": 409,
    "VOUCHER_EXPIRED": 409,
    "VOUCHER_NOT_FOUND": 404,
    "VOUCHER_NOT_YET_VALID": 409,
    "VOUCHER_REDEEMED": 409,
    "VOUCHER_RESERVED": 409,
}
PROBLEM_TYPES = "https://errors.setpieces.example/"
PROBLEM_MEDIA_TYPE = "application/problem+json"
_IDEMPOTENCY_KEY = re.compile(r"[!-~]{1,255}")
# As on the gateway's own answers: any page may read them. Sessions are bearer tokens, which no browser sends by itself.
CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": f"ETag, Location, Retry-After, {CORRELATION_HEADER}",
}


@dataclass(frozen=True)
class Request:
    """One HTTP request: header names in lower case, query parameters with their last value.

    Path parameters are percent-encoded, as in the path. SKUs, which may have a colon, and typed voucher codes need
    decoding, no other ids.
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

        Raises ``Refused``: UNSUPPORTED_MEDIA_TYPE, as proxy integrations pass any media type on; INVALID_JSON, also for
        duplicate names; INVALID_REQUEST for JSON that is not an object.
        """
        media_type = self.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
        if media_type != "application/json":
            raise Refused("UNSUPPORTED_MEDIA_TYPE", "The body must be application/json")
        try:
            body = json.loads(
                self.raw_body, object_pairs_hook=_without_duplicates, parse_constant=_no_constant, parse_float=_finite
            )
            # Half a surrogate pair can be written as an escape but not as UTF-8, so no answer or table could hold it.
            json.dumps(body, ensure_ascii=False).encode()
        except (ValueError, RecursionError) as error:
            raise Refused("INVALID_JSON", f"The body is not valid JSON: {error}") from error
        if not isinstance(body, dict):
            raise Refused("INVALID_REQUEST", "The body must be a JSON object", "")
        return body

    def idempotency_key(self) -> str | None:
        """The ``Idempotency-Key`` header, None without one. Raises ``Refused`` INVALID_IDEMPOTENCY_KEY."""
        key = self.headers.get("idempotency-key")
        if key is not None and not _IDEMPOTENCY_KEY.fullmatch(key):
            raise Refused("INVALID_IDEMPOTENCY_KEY", "Idempotency-Key must be 1 to 255 visible ASCII characters")
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
        except (Refused, RetryLater) as error:
            response = _error_response(error, request)
            logger.info("refused", extra={"status": response.status, "code": error.code, "detail": error.detail})
        except Exception as error:
            logger.exception("unhandled error")
            metrics.add_metric(name="UnhandledError", unit="Count", value=1)
            response = _error_response(_unhandled(error), request)
        return _proxy_response(response, request)

    return observed(handler)


def status_of(error: Refused | RetryLater) -> int:
    """The HTTP status of an error."""
    match error:
        case RetryLater():
            return 503
        case HttpRefusal():
            return error.status
        case _:
            return STATUS[error.code]


def problem_details(error: Refused | RetryLater, instance: str = "", request_id: str = "") -> dict[str, Any]:
    """The error as RFC 9457 problem details; members without a value are left out.

    {"type", "title", "status", "code", "detail"?, "instance"?, "request_id"?, "errors"?: [{"pointer", "message"}]}, and the
    extension members of an ``HttpRefusal``.
    """
    slug = error.code.lower().replace("_", "-")
    document = {
        "type": PROBLEM_TYPES + slug,
        "title": slug.replace("-", " ").capitalize(),
        "status": status_of(error),
        "code": error.code,
        "detail": error.detail,
        "instance": instance,
        "request_id": request_id,
        "errors": error.errors if isinstance(error, Refused) else [],
    }
    members = error.members if isinstance(error, HttpRefusal) else {}
    return {name: value for name, value in document.items() if value} | members


def _unhandled(error: Exception) -> Refused | RetryLater:
    """A ``RetryLater`` if AWS or an external system was slow or out of reach; else a 500 without the error's text."""
    # Imported here: a function that calls no AWS service does not pay for boto3.
    from setpieces.aws import is_unavailable

    detail = "Something this needs does not answer; send the request again"
    if isinstance(error, ExternalUnavailable):
        return RetryLater(error.retry_seconds, detail, "SERVICE_UNAVAILABLE")
    if is_unavailable(error):
        return RetryLater(RETRY_SECONDS, detail, "SERVICE_UNAVAILABLE")
    return HttpRefusal(500, "INTERNAL_ERROR", "An unexpected error occurred")


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
        correlation_id=observability.set_correlation_id(headers.get(CORRELATION_HEADER.lower()) or request_id),
        authorizer=request_context.get("authorizer") or {},
        remaining_seconds=lambda: context.get_remaining_time_in_millis() / 1000,
    )


def _error_response(error: Refused | RetryLater, request: Request) -> Response:
    headers = {"Content-Type": PROBLEM_MEDIA_TYPE}
    if isinstance(error, HttpRefusal):
        headers |= error.headers
    retry_after = error.seconds if isinstance(error, RetryLater) else error.retry_after
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    return Response(status_of(error), problem_details(error, request.path, request.request_id), headers)


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

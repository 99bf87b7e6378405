"""Requests to the simulators, parsed into calls of their operations."""

from typing import Any

from partners.domain.operations import Call, Operation
from partners.domain.schemas import MAX_BATCH_BYTES, MAX_BODY_BYTES
from setpieces.http_refusal import HttpRefusal
from setpieces.rest_api import Request


def parse_call(request: Request, operation: Operation, ids: dict[str, str], now: str) -> Call:
    """A call of an operation. Raises ``HttpRefusal`` 413, and ``Refused`` for a body that is not JSON."""
    body = _parse_body(request, operation) if operation.schema is not None else {}
    return Call(ids, request.query, request.headers, body, now)


def _parse_body(request: Request, operation: Operation) -> dict[str, Any]:
    max_bytes = MAX_BATCH_BYTES if operation.batch else MAX_BODY_BYTES
    if len(request.raw_body.encode(errors="replace")) > max_bytes:
        raise HttpRefusal(413, "REQUEST_TOO_LARGE", f"The body has more than {max_bytes} bytes")
    return request.json()

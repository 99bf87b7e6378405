"""ANY /v1/{proxy+}: every outside system of the shop, with faults on demand and a ledger of what really happened."""

import time
from functools import partial
from typing import Any

from partners.domain.faults import NONE, latency_seconds
from partners.repository import TableStore
from partners.simulators.operations import Call, Operation, now, perform
from partners.simulators.routes import SIMULATED, find
from partners.simulators.schemas import MAX_BATCH_BYTES, MAX_BODY_BYTES
from setpieces.http_refusal import HttpRefusal
from setpieces.rest_api import Request, Response, rest_handler

STORE = TableStore()


@rest_handler
def handler(request: Request) -> Response:
    operation, ids = find(request.method, request.path_parameters.get("proxy", ""))
    fault = _fault(operation)
    latency = latency_seconds(fault | {"error_rate": 0}, operation)
    delay = 0.0
    try:
        strike = partial(latency_seconds, fault, operation)
        outcome = perform(operation, _call(request, operation, ids), STORE, strike)
        delay = outcome.delay_seconds
    finally:
        # After the effect, so that a caller who gave up waiting has caused it all the same.
        time.sleep(max(latency, delay))
    return Response(outcome.status, outcome.body, outcome.headers)


def _fault(operation: Operation) -> dict[str, Any]:
    stored = STORE.read("faults", operation.system) if operation in SIMULATED else None
    return stored.document if stored else NONE


def _call(request: Request, operation: Operation, ids: dict[str, str]) -> Call:
    body = _body(request, operation) if operation.schema is not None else {}
    return Call(ids, request.query, request.headers, body, now())


def _body(request: Request, operation: Operation) -> dict[str, Any]:
    most = MAX_BATCH_BYTES if operation.each else MAX_BODY_BYTES
    if len(request.raw_body.encode(errors="replace")) > most:
        raise HttpRefusal(413, "REQUEST_TOO_LARGE", f"The body has more than {most} bytes")
    return request.json()

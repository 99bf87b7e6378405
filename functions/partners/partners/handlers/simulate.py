"""ANY /v1/{proxy+}: every external system of the shop, with injected faults and a ledger of all effects."""

import random
import time
from typing import cast

from partners import repository, workflow
from partners.domain import faults
from partners.domain.faults import Fault
from partners.domain.operations import Operation
from partners.requests import parse_call
from partners.simulators.routes import SIMULATED, find_operation
from setpieces.rest_api import Request, Response, rest_handler


@rest_handler
def handler(request: Request) -> Response:
    operation, ids = find_operation(request.method, request.path_parameters.get("proxy", ""))
    fault = _load_fault(operation)
    faults.inject_outage(operation, fault)
    delay = fault["latency_ms"] / 1000
    try:
        call = parse_call(request, operation, ids, workflow.utc_now())
        outcome = workflow.perform(
            operation, call, repository, lambda: faults.inject_error(operation, fault, random.random())
        )
        delay = max(delay, outcome.delay_seconds)
    finally:
        # After the effect: a caller that gives up has caused it all the same.
        time.sleep(delay)
    return Response(outcome.status, outcome.body, outcome.headers)


def _load_fault(operation: Operation) -> Fault:
    stored = repository.read("faults", operation.system) if operation in SIMULATED else None
    return faults.fault_of(operation, cast(Fault, stored.document)) if stored else faults.NO_FAULT

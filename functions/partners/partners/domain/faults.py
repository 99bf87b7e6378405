"""Injected faults: a system that is slow, fails at random, or is down."""

from typing import NotRequired, TypedDict

from partners.domain.operations import Operation
from partners.domain.schemas import integer, object_of
from setpieces.http_refusal import HttpRefusal

# With the function's timeout of 29 s this leaves room for the work itself.
MAX_LATENCY_MS = 25_000


class Fault(TypedDict):
    """``error_rate`` is from 0 to 1. ``operations`` limits the fault to these, by name."""

    latency_ms: int
    error_rate: float
    outage: bool
    operations: NotRequired[list[str]]


NO_FAULT: Fault = {"latency_ms": 0, "error_rate": 0, "outage": False}
FAULT = object_of(
    {},
    {
        "latency_ms": integer(0, MAX_LATENCY_MS),
        "error_rate": {"type": "number", "minimum": 0, "maximum": 1},
        "outage": {"type": "boolean"},
        "operations": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 50},
    },
    closed=True,
)


def fault_of(operation: Operation, fault: Fault) -> Fault:
    """The fault if it concerns the operation, else ``NO_FAULT``."""
    return fault if operation.name in fault.get("operations", [operation.name]) else NO_FAULT


def inject_outage(operation: Operation, fault: Fault) -> None:
    """Raises ``HttpRefusal`` 503 while the system is down."""
    if fault["outage"]:
        raise HttpRefusal(503, "SIMULATED_OUTAGE", f"{operation.system} is down", retry_after=1)


def inject_error(operation: Operation, fault: Fault, chance: float) -> None:
    """Raises ``HttpRefusal`` 500 if ``chance``, from 0 up to 1, is below the fault's error rate."""
    if chance < fault["error_rate"]:
        raise HttpRefusal(500, "SIMULATED_ERROR", f"{operation.system} failed")

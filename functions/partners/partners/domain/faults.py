"""Faults on demand: a system that is slow, fails now and then, or is down.

fault {latency_ms, error_rate, outage, operations?}: error_rate from 0 to 1, operations limits it to these
"""

import random
from typing import Any

from partners.simulators.operations import Call, Operation, Outcome
from partners.simulators.schemas import invalid, record, whole
from setpieces.http_refusal import HttpRefusal

# With the function's timeout of 29 s this leaves room for the work itself.
MAX_LATENCY_MS = 25_000

NONE: dict[str, Any] = {"latency_ms": 0, "error_rate": 0, "outage": False}
FAULT = record(
    {},
    {
        "latency_ms": whole(0, MAX_LATENCY_MS),
        "error_rate": {"type": "number", "minimum": 0, "maximum": 1},
        "outage": {"type": "boolean"},
        "operations": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 50},
    },
    closed=True,
)


def operations(systems: tuple[tuple[Operation, ...], ...]) -> tuple[Operation, ...]:
    """The operations of the fault endpoint for these ``systems``."""
    names = {operations[0].system: {operation.name for operation in operations} for operations in systems}

    def known(call: Call) -> str:
        system = call.ids["system"]
        if system not in names:
            raise HttpRefusal(404, "NOT_FOUND", f"There is no such system; there are {', '.join(names)}")
        return system

    def get_fault(call: Call, stored: dict[str, Any] | None) -> Outcome:
        return Outcome(200, stored or NONE)

    def put_fault(call: Call, stored: dict[str, Any] | None) -> Outcome:
        for index, name in enumerate(call.body.get("operations", [])):
            if name not in names[call.ids["system"]]:
                raise invalid(f"/operations/{index}", "is not an operation of this system")
        fault = NONE | call.body
        return Outcome(200, fault, document=fault)

    def delete_fault(call: Call, stored: dict[str, Any] | None) -> Outcome:
        return Outcome(204, document=NONE)

    path = "faults/{system}"
    return (
        Operation("get_fault", "GET", path, get_fault, "faults", known),
        Operation("put_fault", "PUT", path, put_fault, "faults", known, FAULT),
        Operation("delete_fault", "DELETE", path, delete_fault, "faults", known),
    )


def latency_seconds(fault: dict[str, Any], operation: Operation, chance: float | None = None) -> float:
    """How long ``operation`` takes to answer, after its effect. ``chance`` is from 0 up to 1, by default random.

    Raises ``HttpRefusal`` 503 or 500, before any effect, if it is to fail.
    """
    if operation.name not in fault.get("operations", [operation.name]):
        return 0.0
    if fault["outage"]:
        raise HttpRefusal(503, "SIMULATED_OUTAGE", f"{operation.system} is down", retry_after=1)
    if (random.random() if chance is None else chance) < fault["error_rate"]:
        raise HttpRefusal(500, "SIMULATED_ERROR", f"{operation.system} failed")
    return fault["latency_ms"] / 1000

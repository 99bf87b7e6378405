"""The endpoint that injects faults into a system."""

from typing import Any

from partners.domain.faults import FAULT, NO_FAULT
from partners.domain.operations import Call, Operation, Outcome
from partners.domain.schemas import invalid
from setpieces.http_refusal import HttpRefusal


def operations(systems: tuple[tuple[Operation, ...], ...]) -> tuple[Operation, ...]:
    """The operations of the endpoint for these ``systems``."""
    names = {operations[0].system: {operation.name for operation in operations} for operations in systems}

    def system_key(call: Call) -> str:
        system = call.ids["system"]
        if system not in names:
            raise HttpRefusal(404, "NOT_FOUND", f"There is no such system; there are {', '.join(names)}")
        return system

    def get_fault(call: Call, stored: dict[str, Any] | None) -> Outcome:
        return Outcome(200, stored or NO_FAULT)

    def put_fault(call: Call, stored: dict[str, Any] | None) -> Outcome:
        for index, name in enumerate(call.body.get("operations", [])):
            if name not in names[call.ids["system"]]:
                raise invalid(f"/operations/{index}", "is not an operation of this system")
        fault = {**NO_FAULT, **call.body}
        return Outcome(200, fault, document=fault)

    def delete_fault(call: Call, stored: dict[str, Any] | None) -> Outcome:
        return Outcome(204, document={**NO_FAULT})

    path = "faults/{system}"
    return (
        Operation("get_fault", "GET", path, get_fault, "faults", system_key),
        Operation("put_fault", "PUT", path, put_fault, "faults", system_key, FAULT),
        Operation("delete_fault", "DELETE", path, delete_fault, "faults", system_key),
    )

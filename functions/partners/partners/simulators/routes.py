"""The operations of all systems, faults and ledgers, and their paths."""

import re
from functools import cache
from urllib.parse import unquote

from partners.domain.operations import Operation
from partners.domain.schemas import MAX_ID_LENGTH, invalid, is_id
from partners.simulators import commerce, content, faults, identity, ledger, payments, rewards, sap, tax
from setpieces.http_refusal import HttpRefusal

SYSTEMS: tuple[tuple[Operation, ...], ...] = (
    commerce.OPERATIONS,
    identity.OPERATIONS,
    rewards.OPERATIONS,
    tax.OPERATIONS,
    payments.OPERATIONS,
    sap.OPERATIONS,
    content.OPERATIONS,
)
# Faults are injected into the operations of the external systems, not into those of the simulators themselves.
SIMULATED = tuple(operation for operations in SYSTEMS for operation in operations)
ROUTES = (*SIMULATED, *faults.operations(SYSTEMS), *ledger.OPERATIONS)


def find_operation(method: str, path: str) -> tuple[Operation, dict[str, str]]:
    """The operation for a percent-encoded path below ``/v1/``, and the ids in it, decoded.

    Raises ``HttpRefusal`` 404 for an unknown path, 405 for an unknown method, 400 or 404 for an invalid id.
    """
    matches = [(operation, match) for operation in ROUTES if (match := _pattern(operation.path).fullmatch(path))]
    if not matches:
        raise HttpRefusal(404, "NOT_FOUND", "No simulated system has this path")
    for operation, match in matches:
        if operation.method == method:
            return operation, {name: _parse_id(name, value, method) for name, value in match.groupdict().items()}
    raise HttpRefusal(
        405,
        "METHOD_NOT_ALLOWED",
        f"{method} is not possible here",
        headers={"Allow": ", ".join(operation.method for operation, _ in matches)},
    )


def _parse_id(name: str, encoded: str, method: str) -> str:
    value = unquote(encoded)
    if is_id(value):
        return value
    if method in ("GET", "DELETE"):
        raise HttpRefusal(404, "NOT_FOUND", "No record has this id")
    raise invalid(f"/{name}", f"must be 1 to {MAX_ID_LENGTH} of A-Z a-z 0-9 . _ : -, beginning with a letter or digit")


@cache
def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path))

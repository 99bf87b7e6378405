"""Which operation answers a path: the tables of all systems, faults and ledgers in one."""

import re
from functools import cache
from urllib.parse import unquote

from partners.domain import faults as faults_module
from partners.simulators import commerce, content, identity, ledger, payments, rewards, sap, tax
from partners.simulators.operations import Operation
from partners.simulators.schemas import MAX_ID_LENGTH, invalid, is_id
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
# Operations of the outside systems, which faults strike, and those that only tests and people use.
SIMULATED = tuple(operation for operations in SYSTEMS for operation in operations)
ROUTES = (*SIMULATED, *faults_module.operations(SYSTEMS), *ledger.OPERATIONS)


def find(method: str, path: str) -> tuple[Operation, dict[str, str]]:
    """The operation for ``path`` (below ``/v1/``, as on the wire) and the ids in it, decoded.

    Raises ``HttpRefusal`` 404 for an unknown path, 405 for an unknown method, 400 for an id that nothing can have.
    """
    matches = [(operation, found) for operation in ROUTES if (found := _pattern(operation.path).fullmatch(path))]
    if not matches:
        raise HttpRefusal(404, "NOT_FOUND", "No simulated system has this path")
    for operation, found in matches:
        if operation.method == method:
            return operation, {name: _id(name, value, method) for name, value in found.groupdict().items()}
    raise HttpRefusal(
        405,
        "METHOD_NOT_ALLOWED",
        f"{method} is not possible here",
        headers={"Allow": ", ".join(operation.method for operation, _ in matches)},
    )


def _id(name: str, encoded: str, method: str) -> str:
    value = unquote(encoded)
    if is_id(value):
        return value
    if method in ("GET", "DELETE"):
        raise HttpRefusal(404, "NOT_FOUND", "There is nothing with such an id")
    raise invalid(f"/{name}", f"must be 1 to {MAX_ID_LENGTH} of A-Z a-z 0-9 . _ : -, beginning with a letter or digit")


@cache
def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path))

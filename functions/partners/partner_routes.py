"""Which operation answers a path: the tables of all systems, faults and ledgers in one."""

import re
from functools import cache
from urllib.parse import unquote

import partner_commerce
import partner_content
import partner_faults
import partner_identity
import partner_ledger
import partner_payments
import partner_rewards
import partner_sap
import partner_tax
from partner_operations import Operation
from partner_schemas import MAX_ID_LENGTH, is_id

from setpieces.problems import Problem, invalid

SYSTEMS: tuple[tuple[Operation, ...], ...] = (
    partner_commerce.OPERATIONS,
    partner_identity.OPERATIONS,
    partner_rewards.OPERATIONS,
    partner_tax.OPERATIONS,
    partner_payments.OPERATIONS,
    partner_sap.OPERATIONS,
    partner_content.OPERATIONS,
)
# Operations of the outside systems, which faults strike, and those that only tests and people use.
SIMULATED = tuple(operation for operations in SYSTEMS for operation in operations)
ROUTES = (*SIMULATED, *partner_faults.operations(SYSTEMS), *partner_ledger.OPERATIONS)


def find(method: str, path: str) -> tuple[Operation, dict[str, str]]:
    """The operation for ``path`` (below ``/v1/``, as on the wire) and the ids in it, decoded.

    Raises ``Problem`` 404 for an unknown path, 405 for an unknown method, 400 for an id that nothing can have.
    """
    matches = [(operation, found) for operation in ROUTES if (found := _pattern(operation.path).fullmatch(path))]
    if not matches:
        raise Problem(404, "NOT_FOUND", "No simulated system has this path")
    for operation, found in matches:
        if operation.method == method:
            return operation, {name: _id(name, value, method) for name, value in found.groupdict().items()}
    raise Problem(
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
        raise Problem(404, "NOT_FOUND", "There is nothing with such an id")
    raise invalid(f"/{name}", f"must be 1 to {MAX_ID_LENGTH} of A-Z a-z 0-9 . _ : -, beginning with a letter or digit")


@cache
def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path))

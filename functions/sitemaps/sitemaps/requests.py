"""Requests to sitemaps, parsed into commands."""

import re
import uuid
from dataclasses import dataclass

from setpieces.errors import Refused
from setpieces.fields import BOOLEAN
from setpieces.idempotency import key_digest
from setpieces.json_body import JsonBody
from setpieces.rest_api import Request

_RUN_ID = re.compile(r"[0-9A-Za-z_-]{1,80}")

NEW_RUN = JsonBody(
    {
        "type": "object",
        "properties": {"dry_run": BOOLEAN, "force": BOOLEAN},
        "additionalProperties": False,
    }
)


@dataclass(frozen=True)
class StartRun:
    """``dry_run`` releases nothing; ``force`` allows a release that has lost many of its URLs."""

    run_id: str
    dry_run: bool
    force: bool


def parse_start_run(request: Request) -> StartRun:
    """Raises ``Refused`` INVALID_REQUEST."""
    body = NEW_RUN.parse(request, required=False)
    run_id = _new_run_id(request.authorizer["principalId"], request.idempotency_key())
    return StartRun(run_id, dry_run=body.get("dry_run", False), force=body.get("force", False))


def parse_run_id(request: Request) -> str:
    """The id of the run in the path. Raises ``Refused`` INVALID_REQUEST."""
    run_id = request.path_parameters["run_id"]
    if not _RUN_ID.fullmatch(run_id):
        raise Refused("INVALID_REQUEST", "must be 1 to 80 letters, digits, - or _", "/run_id")
    return run_id


def _new_run_id(caller: str, idempotency_key: str | None) -> str:
    """The id of a run, the same for the same key of the same caller; its execution has it as its name."""
    return f"run-{uuid.uuid4().hex if idempotency_key is None else key_digest(caller, idempotency_key)}"

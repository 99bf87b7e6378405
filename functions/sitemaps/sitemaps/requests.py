"""What a caller may ask of a run, and what is told of one. Pure."""

import hashlib
import re
import uuid
from typing import Any

from setpieces.problems import Problem, invalid
from setpieces.rest_api import Request

_RUN_ID = re.compile(r"[0-9A-Za-z_-]{1,80}")
SHOWN = ("run_id", "status", "started_at", "updated_at", "dry_run", "force", "urls", "files", "changed", "reason")


def new_run_id(caller: str, key: str | None) -> str:
    """The same for the same key of the same caller; it names the execution, too."""
    if key is None:
        return f"run-{uuid.uuid4().hex}"
    return f"run-{hashlib.sha256(repr((caller, key)).encode()).hexdigest()[:32]}"


def options(request: Request) -> dict[str, bool]:
    """{dry_run, force}, both False unless said. Raises ``Problem`` 400."""
    body = request.json() if request.raw_body else {}
    found = {"dry_run": False, "force": False} | body
    for name, value in found.items():
        if name not in ("dry_run", "force"):
            raise invalid(f"/{name}", "is not known")
        if not isinstance(value, bool):
            raise invalid(f"/{name}", "must be true or false")
    return found


def run_id(given: str) -> str:
    """Raises ``Problem`` 400 for what no run can be called."""
    if not _RUN_ID.fullmatch(given):
        raise invalid("/run_id", "must be 1 to 80 letters, digits, - or _")
    return given


def view(run: dict[str, Any] | None) -> dict[str, Any]:
    """Raises ``Problem`` 404."""
    if run is None or "status" not in run:
        raise Problem(404, "RUN_NOT_FOUND", "There is no such run")
    return {name: run[name] for name in SHOWN if name in run}

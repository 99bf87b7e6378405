"""The table of runs, and the lock: an item ``LOCK`` beside them that names the execution that may work."""

import time
from datetime import UTC, datetime
from typing import Any, NotRequired, TypedDict, cast

from setpieces import dynamodb
from setpieces.dynamodb import ConditionFailed
from setpieces.errors import Refused
from setpieces.settings import setting
from sitemaps.domain.runs import PENDING, Busy

KEPT_SECONDS = 90 * 86_400
LOCK = "LOCK"


class StoredRun(TypedDict):
    """``changed`` is whether the sitemaps differ from the released ones. ``purge_at`` (TTL) is in epoch seconds."""

    run_id: str
    status: str
    updated_at: str
    dry_run: bool
    force: bool
    purge_at: int
    started_at: NotRequired[str]
    urls: NotRequired[int]
    files: NotRequired[int]
    changed: NotRequired[bool]
    reason: NotRequired[str]


class StoredLock(TypedDict):
    """``execution`` is the ARN of the last holder, which may have ended; ``taken_at`` is in epoch seconds."""

    run_id: str
    execution: str
    taken_at: NotRequired[int]


def load(run_id: str) -> StoredRun:
    """Raises ``Refused`` RUN_NOT_FOUND."""
    item = dynamodb.get(_table(), {"run_id": run_id})
    if item is None or "status" not in item:
        raise Refused("RUN_NOT_FOUND", "There is no such run")
    return cast(StoredRun, item)


def create(run_id: str, *, dry_run: bool, force: bool) -> StoredRun:
    """The run as it is stored: a new one, or the one that has this id, which may have other options."""
    members = {"status": PENDING, "dry_run": dry_run, "force": force} | _update_times()
    try:
        run = dynamodb.update_if(_table(), {"run_id": run_id}, set=members, condition="attribute_not_exists(run_id)")
    except ConditionFailed as failed:
        run = failed.item or {}
    return cast(StoredRun, run)


def update(run_id: str, **members: Any) -> None:
    """Replace members of a run; the same update again changes nothing but its times."""
    dynamodb.update_if(_table(), {"run_id": run_id}, set=members | _update_times())


def load_lock() -> StoredLock | None:
    return cast(StoredLock | None, dynamodb.get(_table(), {"run_id": LOCK}))


def replace_lock(holder: str, execution: str, now: int) -> None:
    """Give the lock to ``execution`` if ``holder`` still has it ("" if there was none). Again is harmless.

    Raises ``Busy`` if another execution took it meanwhile.
    """
    try:
        dynamodb.update_if(
            _table(),
            {"run_id": LOCK},
            set={"execution": execution, "taken_at": now},
            condition="attribute_not_exists(execution) OR execution IN (:holders)",
            values={":holders": [holder or execution, execution]},
        )
    except ConditionFailed as failed:
        raise Busy("another run took the lock first") from failed


def _update_times() -> dict[str, Any]:
    return {"updated_at": datetime.now(UTC).isoformat(), "purge_at": int(time.time()) + KEPT_SECONDS}


def _table() -> str:
    return setting("TABLE_NAME")

"""Runs beside their executions: which one holds the lock, and the status of one whose execution was stopped."""

from sitemaps.clients import executions
from sitemaps.domain.runs import ENDED, FAILED, STOPPED, Busy, holds_lock
from sitemaps.repository import runs
from sitemaps.repository.runs import StoredRun


def acquire_lock(execution: str, now: int) -> None:
    """Take the lock for an execution, unless another one that is still running holds it. Again is harmless.

    Raises ``Busy``.
    """
    lock = runs.load_lock()
    holder = lock["execution"] if lock else ""
    if lock and holder != execution and holds_lock(executions.find_status(holder), now - lock.get("taken_at", 0)):
        raise Busy(f"{holder} holds the lock")
    runs.replace_lock(holder, execution, now)


def resolve_status(run: StoredRun) -> StoredRun:
    """The run; FAILED if its execution was stopped or timed out, and so could not store the end of the run."""
    if run["status"] in ENDED:
        return run
    status = executions.find_status(executions.execution_arn(run["run_id"]))
    return run | {"status": FAILED, "reason": status} if status in STOPPED else run

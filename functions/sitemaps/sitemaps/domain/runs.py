"""Runs: their statuses, which of them holds the lock, and the errors that end them.

Step Functions knows errors by the names of their classes: ``statemachines/generate-sitemaps.asl.json``, and the reason of a
failed run.
"""

PENDING, RUNNING = "PENDING", "RUNNING"
RELEASED, UNCHANGED, CHECKED, REFUSED, FAILED = "RELEASED", "UNCHANGED", "CHECKED", "REFUSED", "FAILED"
ENDED = (RELEASED, UNCHANGED, CHECKED, REFUSED, FAILED)
# Statuses of an execution that ended without storing the end of its run.
STOPPED = ("ABORTED", "TIMED_OUT")
# DescribeExecution is eventually consistent: it may not find an execution yet that has started and taken the lock.
# https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeExecution.html
UNKNOWN_SECONDS = 30


class Busy(Exception):
    """Another run holds the lock."""


class Refused(Exception):
    """The check found a fault; nothing of the run is released. The message is the reason."""


class Superseded(Exception):
    """Another run was released meanwhile; this one may know an older state of the shop."""


class NotReleased(Exception):
    """The released files differ from those of the run."""


def holds_lock(execution_status: str, held_seconds: int) -> bool:
    """Whether an execution still holds the lock that it took ``held_seconds`` ago; its status is "" if it is unknown."""
    return execution_status == RUNNING or (not execution_status and held_seconds < UNKNOWN_SECONDS)

"""Results of checks."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError
from rich.console import Console
from rich.table import Table

MISSING = "missing"  # the deployment would fail
LATER = "later"  # the deployment succeeds, but a feature does not work until the remedy is applied
UNKNOWN = "unknown"  # the credentials lack a permission, or AWS has no API that returns it
OK = "ok"
STYLES = {MISSING: "red", LATER: "yellow", UNKNOWN: "dim"}
# Error codes of resources that do not exist. HeadBucket has no body, so its code is the status.
NOT_FOUND = {
    "404",
    "NoSuchBucket",
    "NoSuchEntity",
    "NoSuchHostedZone",
    "NotFoundException",
    "ResourceNotFoundException",
}


@dataclass(frozen=True)
class Finding:
    """A result of a check; ``remedy`` tells how to obtain a missing prerequisite."""

    level: str
    what: str
    remedy: str = ""


def error_code(error: ClientError) -> str:
    return str(error.response["Error"]["Code"])


def existence(call: Callable[[], Any], what: str, remedy: str, if_absent: str = MISSING) -> Finding:
    """A finding about a resource that ``call`` describes: of level ``if_absent`` if AWS does not find it."""
    try:
        call()
    except ClientError as error:
        if error_code(error) in NOT_FOUND:
            return Finding(if_absent, f"{what} does not exist", remedy)
        raise
    return Finding(OK, f"{what} exists")


def print_findings(findings: list[Finding], region: str) -> None:
    """Print all findings but those that are ``OK``, which are counted, and the ``region`` of the commands in remedies."""
    table = Table("", "finding", "remedy")
    for level, style in STYLES.items():
        for finding in findings:
            if finding.level == level:
                table.add_row(level, finding.what, finding.remedy, style=style)
    table.caption = f"{sum(finding.level == OK for finding in findings)} more checks passed."
    if any(finding.remedy.startswith("aws ") for finding in findings):
        table.caption += f" Run the commands in the region of the stage: export AWS_REGION={region}"
    Console(width=None if sys.stdout.isatty() else 200, highlight=False).print(table)

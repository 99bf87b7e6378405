"""The shop still calls what bench/operations.json says: docs/capacity-and-cost.md would be wrong otherwise."""

from collections.abc import Mapping
from typing import Any

import pytest

from bench import operations
from bench.operations import Measurement, scheduled
from local.shop import Shop

# What caches, retries, polls and the hour of the day decide.
VARIES = (
    "ssm:",
    "sqs:ReceiveMessage",
    "sqs:ChangeMessageVisibility",
    "dynamodb:GetItem",
    "s3:",
    "states:DescribeExecution",
)
# Its work depends on what others did to the shop: which records and pages are new. Its calls are those of a feed as it comes.
DEPENDS = ("bring feed records", "make the sitemaps", "ingest events")
CHECKED = tuple(operation for operation in operations.OPERATIONS if operation.name not in DEPENDS)


def told(used: Mapping[str, Any]) -> dict[str, Any]:
    """What of a set piece's usage is the same each time."""
    schedules = {name for _, name in scheduled()}
    return {
        "api": used.get("api", 0),
        "events": used.get("events", 0),
        "messages": used.get("messages", 0),
        "transitions": used.get("transitions", 0),
        "calls": {name: n for name, n in used.get("calls", {}).items() if not name.startswith(VARIES)},
        "writes": {name: n for name, n in used.get("units", {}).items() if name.startswith("write")},
        "invocations": {
            name: n
            for name, n in used.get("invocations", {}).items()
            # Whether an authorizer is asked, a cache decides.
            if name not in schedules and not name.startswith("Authorize")
        },
    }


@pytest.fixture(scope="module")
def measured(shop: Shop) -> dict[str, dict[str, Any]]:
    """Everything once, so that it is warm, and once more."""
    measurement = Measurement(shop)
    used = measurement.run(CHECKED)
    return {name: {piece: usage.document() for piece, usage in pieces.items()} for name, pieces in used.items()}


@pytest.mark.parametrize("operation", CHECKED, ids=lambda operation: operation.name)
def test_an_operation_calls_what_is_written(measured: dict[str, dict[str, Any]], operation: operations.Operation):
    written = operations.table()["operations"][operation.name]["pieces"]
    # What is not there used nothing that stays the same; simulators are asked for what caches do not have.
    nothing = told({})
    for piece in (set(written) | set(measured[operation.name])) - {"partners"}:
        found = told(measured[operation.name].get(piece, {}))
        assert found == told(written.get(piece, {})) or found == nothing == told(written.get(piece, {})), piece

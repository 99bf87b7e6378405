"""The shop still calls what bench/operations.json says: docs/capacity-and-cost.md would be wrong otherwise."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from bench import operations
from bench.measurement import scheduled
from model.settings import ROOT
from tests.integration.other_cloud import other_cloud

pytestmark = pytest.mark.local_only("it counts calls in a local cloud of its own")

# Depends on caches of a process, retries and polls.
VARIES = (
    "ssm:",
    "kms:",
    "sqs:ReceiveMessage",
    "sqs:ChangeMessageVisibility",
    "dynamodb:GetItem",
    "s3:",
    "states:DescribeExecution",
)
# Their calls depend on earlier requests to the shop: which records, events and pages are new or come together.
DEPENDS = ("process feed records", "generate the sitemaps", "ingest events")
# A cache miss calls a simulator; a migration polls until the legacy platform has the customer.
LEFT_OUT = {"partners", "customer-migration"}
CHECKED = tuple(operation for operation in operations.OPERATIONS if operation.name not in DEPENDS)
ROUNDS = 3
# {operation: {service: usage}}
Measured = dict[str, dict[str, Any]]


def comparable(used: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a set piece's usage that is the same in every round."""
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
            # An authorizer is only called on a cache miss.
            if name not in schedules and not name.startswith("Authorize")
        },
    }


def differences(operation: operations.Operation, measured: Measured) -> dict[str, tuple[Any, Any]]:
    """{service: (measured, checked in)} where the two disagree."""
    documented = operations.table()["operations"][operation.name]["pieces"]
    usage = measured[operation.name]
    compared = {
        service: (comparable(usage.get(service, {})), comparable(documented.get(service, {})))
        for service in (set(documented) | set(usage)) - LEFT_OUT
    }
    return {service: (here, there) for service, (here, there) in compared.items() if here != there}


@pytest.fixture(scope="module")
def rounds(tmp_path_factory: pytest.TempPathFactory) -> list[Measured]:
    """Everything, in a shop that has nothing else to do: in the one of other tests, their work would be counted too.

    On a slow machine a call to a cold simulator can time out, and its message is delivered again. Such a round is repeated.
    """
    measured: list[Measured] = []
    with other_cloud(tmp_path_factory.mktemp("quiet")) as cloud:
        cloud.start()
        for _ in range(ROUNDS):
            printed = cloud.run(ROOT, "bench.measurement", *(operation.name for operation in CHECKED))
            measured.append(json.loads(printed))
            if not any(differences(operation, measured[-1]) for operation in CHECKED):
                break
    return measured


@pytest.mark.timeout(1500)
@pytest.mark.parametrize("operation", CHECKED, ids=lambda operation: operation.name)
def test_an_operation_makes_the_documented_calls(rounds: list[Measured], operation: operations.Operation):
    """A call that is new or missing differs in every round."""
    assert min((differences(operation, measured) for measured in rounds), key=len) == {}

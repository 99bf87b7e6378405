"""Runs, and which of them may work.

{run_id, status, started_at, updated_at, dry_run, force, urls?, files?, changed?, reason?, purge_at}; the item ``LOCK``
names the execution that works: {run_id: "LOCK", execution, taken_at}, taken_at in epoch seconds. An execution that no longer
runs holds nothing, however it ended.
"""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from setpieces.aws import client, error_code
from setpieces.dynamodb_types import from_item, to_attribute
from setpieces.settings import setting

PENDING, RUNNING = "PENDING", "RUNNING"
RELEASED, UNCHANGED, CHECKED, REFUSED, FAILED = "RELEASED", "UNCHANGED", "CHECKED", "REFUSED", "FAILED"
ENDED = (RELEASED, UNCHANGED, CHECKED, REFUSED, FAILED)
# Ends of an execution that enters nothing.
STOPPED = ("ABORTED", "TIMED_OUT")
KEPT_SECONDS = 90 * 86_400
LOCK = "LOCK"
# Step Functions may not know an execution yet that has begun and taken the lock: what it says is eventually consistent.
# https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeExecution.html
UNKNOWN_SECONDS = 30


class Busy(Exception):
    """Another run is at work."""


def find(run_id: str) -> dict[str, Any] | None:
    answer = client("dynamodb").get_item(
        TableName=setting("TABLE_NAME"), Key={"run_id": {"S": run_id}}, ConsistentRead=True
    )
    return from_item(answer["Item"]) if "Item" in answer else None


def create(run_id: str, dry_run: bool, force: bool) -> dict[str, Any]:
    """The run as it is stored: a new one, or one that is there already, perhaps with other options."""
    try:
        return _set(run_id, "attribute_not_exists(run_id)", status=PENDING, dry_run=dry_run, force=force)
    except ClientError as error:
        if error_code(error) != "ConditionalCheckFailedException":
            raise
        response: Mapping[str, Any] = error.response
        return from_item(response["Item"])


def note(run_id: str, **facts: Any) -> dict[str, Any]:
    """Enter what is known of a run; what is said again replaces what was said before. The run as it is then."""
    return _set(run_id, "", **facts)


def _set(run_id: str, condition: str, **facts: Any) -> dict[str, Any]:
    facts |= {"updated_at": datetime.now(UTC).isoformat(), "purge_at": int(time.time()) + KEPT_SECONDS}
    conditional: dict[str, Any] = {"ConditionExpression": condition, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
    answer = client("dynamodb").update_item(
        TableName=setting("TABLE_NAME"),
        Key={"run_id": {"S": run_id}},
        UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in facts),
        ExpressionAttributeNames={f"#{name}": name for name in facts},
        ExpressionAttributeValues={f":{name}": to_attribute(value) for name, value in facts.items()},
        ReturnValues="ALL_NEW",
        **(conditional if condition else {}),
    )
    return from_item(answer["Attributes"])


def take(execution: str) -> None:
    """Be the one run at work. Again is harmless. Raises ``Busy``."""
    lock = find(LOCK) or {}
    holder, now = lock.get("execution", ""), int(time.time())
    if holder not in ("", execution):
        status = _execution(holder)
        if status == RUNNING or (not status and now - lock.get("taken_at", 0) < UNKNOWN_SECONDS):
            raise Busy(f"{holder} is at work")
    try:
        client("dynamodb").update_item(
            TableName=setting("TABLE_NAME"),
            Key={"run_id": {"S": LOCK}},
            UpdateExpression="SET execution = :mine, taken_at = :now",
            # Of two that found the same holder gone, one is first.
            ConditionExpression="attribute_not_exists(execution) OR execution IN (:seen, :mine)",
            ExpressionAttributeValues={
                ":mine": {"S": execution},
                ":seen": {"S": holder or execution},
                ":now": {"N": str(now)},
            },
        )
    except ClientError as error:
        if error_code(error) == "ConditionalCheckFailedException":
            raise Busy("another run was first") from error
        raise


def settled(run: dict[str, Any]) -> dict[str, Any]:
    """The run; FAILED if its execution was stopped from outside, or ran out of time, and so could not say that it ended."""
    if run["status"] in ENDED:
        return run
    status = _execution(f"{setting('EXECUTION_ARN_PREFIX')}:{run['run_id']}")
    return run | {"status": FAILED, "reason": status} if status in STOPPED else run


def _execution(arn: str) -> str:
    """The status of an execution as Step Functions names it; empty if there is none, or no longer (90 days)."""
    try:
        return str(client("stepfunctions").describe_execution(executionArn=arn)["status"])
    except ClientError as error:
        if error_code(error) == "ExecutionDoesNotExist":
            return ""
        raise

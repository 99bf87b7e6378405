"""Feeds as their table holds them; runs are entered by ``feed-pipeline`` (feed_runs), the rest here.

An open feed has {open: "1", look_at: RFC 3339}: when somebody has to look how far it is; what was counted then is in
{outcomes: {updated, unchanged, stale, failed, reasons}}.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from setpieces.aws import client, error_code
from setpieces.dynamodb_types import from_item, to_item
from setpieces.settings import setting

AWAITING_UPLOAD, TRANSFORMING, UPDATING = "AWAITING_UPLOAD", "TRANSFORMING", "UPDATING"
COMPLETE, FAILED = "COMPLETE", "FAILED"


def now() -> datetime:
    return datetime.now(UTC)


def stamp(moment: datetime) -> str:
    """RFC 3339 with milliseconds, as it sorts."""
    return moment.isoformat(timespec="milliseconds")


def expect(feed_type: str, feed_id: str, requested_by: str, purge_at: int) -> None:
    """Enter a feed that is about to be uploaded."""
    item = {
        "feed": f"{feed_type}/{feed_id}",
        "type": feed_type,
        "feed_id": feed_id,
        "status": AWAITING_UPLOAD,
        "requested_by": requested_by,
        "created_at": stamp(now()),
        "updated_at": stamp(now()),
        "purge_at": purge_at,
    }
    try:
        client("dynamodb").put_item(
            TableName=setting("FEEDS_TABLE_NAME"),
            Item=to_item(item),
            ConditionExpression="attribute_not_exists(feed)",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    except ClientError as error:
        response: Mapping[str, Any] = error.response
        # The SDK repeats a call whose answer was lost, and finds what the first attempt stored.
        if error_code(error) != "ConditionalCheckFailedException" or from_item(response["Item"]) != item:
            raise


def read(feed_type: str, feed_id: str) -> dict[str, Any] | None:
    """The feed; None if there is none."""
    answer = client("dynamodb").get_item(
        TableName=setting("FEEDS_TABLE_NAME"), Key=to_item({"feed": f"{feed_type}/{feed_id}"}), ConsistentRead=True
    )
    return from_item(answer["Item"]) if "Item" in answer else None


def due() -> Iterator[dict[str, Any]]:
    """Open feeds that have to be looked at, longest due first."""
    pages = (
        client("dynamodb")
        .get_paginator("query")
        .paginate(
            TableName=setting("FEEDS_TABLE_NAME"),
            IndexName="open",
            KeyConditionExpression="#open = :open AND look_at <= :now",
            ExpressionAttributeNames={"#open": "open"},
            ExpressionAttributeValues=to_item({":open": "1", ":now": stamp(now())}),
        )
    )
    for page in pages:
        for item in page["Items"]:
            feed = read(*from_item(item)["feed"].split("/", 1))
            if feed:
                yield feed


def store_outcomes(feed: dict[str, Any], outcomes: dict[str, Any]) -> bool:
    """Enter what was counted of a run. False if the feed was uploaded or counted anew since ``feed`` was read.

    What was counted later stays: an invocation that is slow has counted earlier than one that has come after it.
    """
    before = feed.get("outcomes")
    if before == outcomes:
        return True
    counted = "outcomes = :before" if before else "attribute_not_exists(outcomes)"
    try:
        client("dynamodb").update_item(
            TableName=setting("FEEDS_TABLE_NAME"),
            Key=to_item({"feed": feed["feed"]}),
            UpdateExpression="SET outcomes = :outcomes",
            ConditionExpression=f"#run = :run AND {counted}",
            ExpressionAttributeNames={"#run": "run"},
            ExpressionAttributeValues=to_item(
                {":outcomes": outcomes, ":run": feed["run"]} | ({":before": before} if before else {})
            ),
        )
    except ClientError as error:
        if error_code(error) != "ConditionalCheckFailedException":
            raise
        return False
    return True


def conclude(feed: dict[str, Any], outcomes: dict[str, Any], status: str, look_at: str | None) -> bool:
    """Enter how a run with these outcomes ended; ``look_at`` is when to look again, None for never.

    False if the feed was uploaded or counted anew.
    """
    values = {":run": feed["run"], ":outcomes": outcomes, ":status": status, ":now": stamp(now())}
    again = "SET look_at = :look_at, " if look_at else "SET "
    if look_at:
        values[":look_at"] = look_at
    try:
        client("dynamodb").update_item(
            TableName=setting("FEEDS_TABLE_NAME"),
            Key=to_item({"feed": feed["feed"]}),
            UpdateExpression=f"{again}#status = :status, concluded_at = if_not_exists(concluded_at, :now), updated_at = :now"
            + ("" if look_at else " REMOVE #open"),
            ConditionExpression="#run = :run AND outcomes = :outcomes",
            ExpressionAttributeNames={"#run": "run", "#status": "status"} | ({} if look_at else {"#open": "open"}),
            ExpressionAttributeValues=to_item(values),
        )
    except ClientError as error:
        if error_code(error) != "ConditionalCheckFailedException":
            raise
        return False
    return True

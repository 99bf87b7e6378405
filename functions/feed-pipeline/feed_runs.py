"""Runs of feeds in the feeds table: begun once for the same content, superseded by newer uploads, closed when all is passed on.

{feed: "<type>/<feed_id>", type, feed_id, status, run, sequencer, source_key, etag, size, stretches: {first: Stretch}, open?,
 look_at, received, transformed, rejected, rejected_reasons, error_keys, unreadable?, outcomes?, created_at, updated_at,
 purge_at}
"""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError
from feed_source import Uploaded
from feed_transform import Feed, Stretch, summary, walk

from setpieces.aws import client, error_code
from setpieces.items import from_item, to_item
from setpieces.settings import setting

TRANSFORMING, UPDATING = "TRANSFORMING", "UPDATING"
KEPT_SECONDS = 90 * 86_400


def begin(feed: Feed, uploaded: Uploaded) -> bool:
    """Whether this run is to be carried out: it is new, or was begun and not finished, and no newer upload has replaced it."""
    now = _now()
    values = {
        ":type": feed.type,
        ":id": feed.feed_id,
        ":status": TRANSFORMING,
        ":run": feed.run,
        ":sequencer": uploaded.sequencer.ljust(32, "0"),
        ":key": uploaded.key,
        ":etag": uploaded.etag,
        ":size": uploaded.size,
        ":none": {},
        ":now": now,
        ":open": "1",
        ":purge_at": feed.purge_at,
    }
    try:
        _update(
            feed,
            "SET #type = :type, feed_id = :id, #status = :status, #run = :run, sequencer = :sequencer, source_key = :key,"
            " etag = :etag, #size = :size, stretches = :none, created_at = if_not_exists(created_at, :now), updated_at = :now,"
            " #open = :open, look_at = :now, purge_at = :purge_at"
            " REMOVE received, transformed, rejected, rejected_reasons, error_keys, unreadable, concluded_at, outcomes",
            values,
            {"#type": "type", "#status": "status", "#run": "run", "#size": "size", "#open": "open"},
            "attribute_not_exists(#run) OR (#run <> :run AND sequencer < :sequencer)",
        )
        return True
    except ClientError as error:
        if error_code(error) != "ConditionalCheckFailedException":
            raise
        before = from_item(error.response["Item"])
        return before["run"] == feed.run and before["status"] == TRANSFORMING


def enter(feed: Feed, stretch: Stretch) -> None:
    """Enter what became of a stretch, and after the last one of the whole feed."""
    item = _update(
        feed,
        "SET stretches.#first = :stretch, updated_at = :now",
        {":stretch": asdict(stretch), ":now": _now(), ":run": feed.run},
        {"#first": str(stretch.first), "#run": "run"},
        "#run = :run",
    )
    if stretch.done:
        whole = {name: value for name, value in summary(walk(item["stretches"])).items() if value is not None}
        assigned = ", ".join(f"#{name} = :{name}" for name in whole)
        _update(
            feed,
            f"SET {assigned}, #status = :status, updated_at = :now",
            {f":{name}": value for name, value in whole.items()}
            | {":status": UPDATING, ":now": _now(), ":run": feed.run},
            {f"#{name}": name for name in whole} | {"#status": "status", "#run": "run"},
            "#run = :run",
        )


def _update(
    feed: Feed, expression: str, values: dict[str, Any], names: dict[str, str], condition: str
) -> dict[str, Any]:
    answer = client("dynamodb").update_item(
        TableName=setting("FEEDS_TABLE_NAME"),
        Key=to_item({"feed": f"{feed.type}/{feed.feed_id}"}),
        UpdateExpression=expression,
        ExpressionAttributeValues=to_item(values),
        ExpressionAttributeNames=names,
        ConditionExpression=condition,
        ReturnValues="ALL_NEW",
        ReturnValuesOnConditionCheckFailure="ALL_OLD",
    )
    return from_item(answer["Attributes"])


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")

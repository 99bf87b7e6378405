"""Runs of feeds in the feeds table: one for each upload, superseded by newer uploads, closed when all is passed on.

{feed: "<type>/<feed_id>", type, feed_id, status, run, sequencer, source_key, uploaded_at, etag, size,
 stretches: {first: Stretch}, open?, look_at, received, transformed, rejected, rejected_reasons, error_keys, unreadable?,
 outcomes?, created_at, updated_at, purge_at}

More than one invocation can work on a run: events come twice, and Lambda repeats one whose last answer was lost. Each goes on
behind the last stretch that is entered, and a stretch is entered once: the invocation that comes second ends.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from feeds.clients.source import Uploaded
from feeds.workflow.transform import Feed, Stretch, summary, walk
from setpieces.aws import client, error_code
from setpieces.dynamodb_types import from_item, to_item
from setpieces.settings import setting

TRANSFORMING, UPDATING = "TRANSFORMING", "UPDATING"
KEPT_SECONDS = 90 * 86_400


@dataclass(frozen=True)
class Progress:
    """A run that is being transformed, and its stretches so far."""

    feed: Feed
    way: list[Stretch]

    @property
    def first(self) -> int:
        """The number of the first record that no stretch holds."""
        return self.way[-1].end if self.way else 0


def begin(feed: Feed, uploaded: Uploaded) -> Progress | None:
    """Start the run of an upload, or go on with it. None if it is done, or replaced by a newer upload."""
    now = _now()
    values = {
        ":type": feed.type,
        ":id": feed.feed_id,
        ":status": TRANSFORMING,
        ":run": feed.run,
        # Any number of digits: the shorter one is padded on its right before two are compared.
        # https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
        ":sequencer": uploaded.sequencer.ljust(32, "0"),
        ":key": uploaded.key,
        ":etag": uploaded.etag,
        ":size": uploaded.size,
        ":at": uploaded.at,
        ":none": {},
        ":now": now,
        ":open": "1",
        ":purge_at": feed.purge_at,
    }
    try:
        item = _update(
            feed,
            "SET #type = :type, feed_id = :id, #status = :status, #run = :run, sequencer = :sequencer, source_key = :key,"
            " uploaded_at = :at, etag = :etag, #size = :size, stretches = :none,"
            " created_at = if_not_exists(created_at, :now), updated_at = :now,"
            " #open = :open, look_at = :now, purge_at = :purge_at"
            " REMOVE received, transformed, rejected, rejected_reasons, error_keys, unreadable, concluded_at, outcomes",
            values,
            {"#type": "type", "#status": "status", "#run": "run", "#size": "size", "#open": "open"},
            # Sequencers tell the order of uploads under one key. The folder of another day is another key: there, times do.
            "attribute_not_exists(#run) OR (source_key = :key AND sequencer < :sequencer)"
            " OR (source_key <> :key AND (attribute_not_exists(uploaded_at) OR uploaded_at <= :at))",
        )
    except ClientError as error:
        item = _item_instead(error)
        same = (item["source_key"], item["sequencer"]) == (uploaded.key, values[":sequencer"])
        if not same or item["status"] != TRANSFORMING:
            return None
    return _progress(feed, item)


def resume(feed: Feed) -> Progress | None:
    """Go on with a run. None if it is done, or replaced by a newer upload."""
    try:
        item = _update_transforming(feed, "SET updated_at = :now", {":now": _now()}, {})
    except ClientError as error:
        _item_instead(error)
        return None
    return _progress(feed, item)


def enter(progress: Progress, stretch: Stretch) -> bool:
    """Enter the outcome of the next stretch, and with the last one that of the whole feed.

    False if another invocation has entered that stretch, or a newer upload has replaced the run.
    """
    feed, first = progress.feed, str(stretch.first)
    facts: dict[str, Any] = {"updated_at": _now()}
    if stretch.done:
        whole = summary([*progress.way, stretch])
        facts |= {"status": UPDATING} | {name: value for name, value in whole.items() if value is not None}
    try:
        _update_transforming(
            feed,
            "SET stretches.#first = :stretch, " + ", ".join(f"#{name} = :{name}" for name in facts),
            {":stretch": asdict(stretch)} | {f":{name}": value for name, value in facts.items()},
            {"#first": first} | {f"#{name}": name for name in facts},
            " AND attribute_not_exists(stretches.#first)",
        )
    except ClientError as error:
        # The SDK repeats a call whose answer was lost, and finds what the first attempt stored.
        item = _item_instead(error)
        return item.get("run") == feed.run and item["stretches"].get(first) == asdict(stretch)
    return True


def _progress(feed: Feed, item: dict[str, Any]) -> Progress:
    # The run keeps the id that it was started with.
    return Progress(replace(feed, run=item["run"]), walk(item["stretches"]))


def _item_instead(error: ClientError) -> dict[str, Any]:
    """The feed that did not fit the condition, empty if there is none. Raises ``error`` if it is another one."""
    if error_code(error) != "ConditionalCheckFailedException":
        raise error
    response: Mapping[str, Any] = error.response
    return from_item(response.get("Item", {}))


def _update_transforming(
    feed: Feed, expression: str, values: dict[str, Any], names: dict[str, str], condition: str = ""
) -> dict[str, Any]:
    """Update the feed if it is still this run that is transformed."""
    return _update(
        feed,
        expression,
        values | {":run": feed.run, ":transforming": TRANSFORMING},
        names | {"#run": "run", "#status": "status"},
        "#run = :run AND #status = :transforming" + condition,
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

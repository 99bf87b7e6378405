"""Messages and invocations that the service sends."""

import json
from dataclasses import asdict
from typing import Any

from feeds.domain.feeds import FeedRun, Upload
from setpieces.aws import client
from setpieces.settings import setting


def record_message(run: FeedRun, number: int, record: dict[str, Any]) -> dict[str, Any]:
    """The message for a record, by its number from 0: {feed_id, type, run, purge_at, number, record}."""
    return asdict(run) | {"number": number, "record": record}


def invoke_continuation(function_name: str, run: FeedRun, upload: Upload, first: int) -> None:
    """Invoke ``transform_feed`` asynchronously for the records from number ``first``: {feed, uploaded, first}.

    The invocation itself continues after the last stored segment; ``first`` tells it from an event of S3.
    """
    payload = {"feed": asdict(run), "uploaded": asdict(upload), "first": first}
    client("lambda").invoke(FunctionName=function_name, InvocationType="Event", Payload=json.dumps(payload).encode())


def publish_faults(manifest: dict[str, Any]) -> None:
    """Publish the manifest of a feed that has faults to the alarm topic."""
    client("sns").publish(
        TopicArn=setting("ALARM_TOPIC_ARN"),
        Subject=f"Feed with faults: {manifest['feed_id']}"[:100],
        Message=json.dumps(manifest, indent=2),
    )

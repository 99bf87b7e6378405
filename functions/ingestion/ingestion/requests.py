"""Notifications of event objects."""

from typing import Any

from ingestion.domain.objects import EventObject
from setpieces.stored import from_stored


def parse_object_created(event: dict[str, Any]) -> EventObject:
    """The object of an event ``Object Created`` of S3.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
    """
    detail = event["detail"]
    return EventObject(detail["bucket"]["name"], detail["object"]["key"], detail["object"]["etag"])


def parse_event_object(event: dict[str, Any]) -> EventObject:
    """The object of an invocation by ``fan_out``: {bucket, key, etag}."""
    return from_stored(EventObject, event)

"""S3's Object Created: validate the records of an upload, and put them on the queue or in the error file.

When its time is up, the function invokes itself for the remaining records.
"""

import time
from typing import Any

from feeds.requests.uploads import parse_transform_feed
from feeds.workflow.transformation import transform_feed
from setpieces import observability
from setpieces.observability import observed
from setpieces.settings import setting

# Reserved for sending the last messages, uploading the error file and storing the segment.
RESERVE_MS = 90_000


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """The result of ``workflow.transformation``: {feed_id, type, run, first?, end?, done?}."""
    command = parse_transform_feed(event, setting("FEED_TYPE"), time.time())
    observability.set_correlation_id(command.run.feed_id)
    return transform_feed(command, context.function_name, lambda: context.get_remaining_time_in_millis() > RESERVE_MS)

"""Batch calls of DynamoDB, repeated until every item is processed.

A batch of which DynamoDB processes nothing because of throttling is an error, not a list of unprocessed items:
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html. Both are repeated here.
"""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from botocore.exceptions import ClientError

from setpieces.aws import is_throttled

MOST_WRITES, MOST_READS = 25, 100
FIRST_WAIT_SECONDS = 0.05
MAX_WAIT_SECONDS = 5.0


class TableBusy(Exception):
    """DynamoDB did not process everything in time. The throttling error, if there was one, is the cause."""


def write_batch(dynamodb: Any, table: str, requests: Sequence[Any], deadline: float) -> None:
    """Up to ``MOST_WRITES`` put or delete requests, done before ``deadline`` (``time.monotonic``). Raises ``TableBusy``."""

    def write(waiting: Any) -> Any:
        return dynamodb.batch_write_item(RequestItems=waiting)["UnprocessedItems"]

    _repeat(write, {table: list(requests)}, deadline)


def read_batches(dynamodb: Any, table: str, keys: Sequence[Any], deadline: float) -> Iterator[dict[str, Any]]:
    """The items with these keys that exist, in any order, read consistently. Raises ``TableBusy``."""
    for start in range(0, len(keys), MOST_READS):
        items: list[dict[str, Any]] = []

        def read(waiting: Any, items: list[dict[str, Any]] = items) -> Any:
            response = dynamodb.batch_get_item(RequestItems=waiting)
            items.extend(response["Responses"].get(table, []))
            return response["UnprocessedKeys"]

        _repeat(read, {table: {"Keys": list(keys[start : start + MOST_READS]), "ConsistentRead": True}}, deadline)
        yield from items


def _repeat(call: Callable[[Any], Any], waiting: Any, deadline: float) -> None:
    """Call ``call`` with the unprocessed items that it returns until there are none."""
    longest = FIRST_WAIT_SECONDS
    while True:
        cause = None
        try:
            waiting = call(waiting)
        except ClientError as error:
            if not is_throttled(error):
                raise
            cause = error
        if not waiting:
            return
        # Random waits: callers that were throttled together must not retry together.
        wait = random.uniform(longest / 2, longest)
        if time.monotonic() + wait > deadline:
            raise TableBusy("DynamoDB left requests unprocessed") from cause
        time.sleep(wait)
        longest = min(2 * longest, MAX_WAIT_SECONDS)

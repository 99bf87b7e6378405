"""Records on their way to the queue: ten to a request, some requests at a time, each sent until the queue has it.

message {feed_id, type, run, number, purge_at, record}
"""

import json
import random
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

from setpieces.aws import client
from setpieces.settings import setting

ENTRIES = 10
# Of the 256 KB that a request may have.
BYTES = 240_000
SENDERS = 8
MAX_TRIES = 6


class NotSent(Exception):
    """The queue refused messages although they were sent again and again."""


class Outbox:
    """Messages given to ``add`` are on the queue when the block ends. Raises ``NotSent``; what was sent stays sent."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(SENDERS)
        self._under_way: set[Future[None]] = set()
        self._batch: list[str] = []
        self._bytes = 0

    def __enter__(self) -> "Outbox":
        return self

    def __exit__(self, *raised: Any) -> None:
        try:
            if not raised[0]:
                self._send()
                self._finish(0)
        finally:
            self._pool.shutdown(cancel_futures=True)

    def add(self, message: dict[str, Any]) -> None:
        body = json.dumps(message, separators=(",", ":"))
        if len(self._batch) == ENTRIES or self._bytes + len(body) > BYTES:
            self._send()
        self._batch.append(body)
        self._bytes += len(body)

    def _send(self) -> None:
        if self._batch:
            # Whoever reads faster than the queue takes waits here, so that nothing piles up in memory.
            self._finish(2 * SENDERS)
            self._under_way.add(self._pool.submit(send, self._batch))
        self._batch, self._bytes = [], 0

    def _finish(self, most: int) -> None:
        while len(self._under_way) > most:
            done, self._under_way = wait(self._under_way, return_when=FIRST_COMPLETED)
            for future in done:
                future.result()


def send(bodies: list[str]) -> None:
    """Send up to ten messages; those that the queue refuses in a batch are sent again. Raises ``NotSent``."""
    waiting = {str(index): body for index, body in enumerate(bodies)}
    for tries in range(MAX_TRIES):
        entries: list[Any] = [{"Id": index, "MessageBody": body} for index, body in waiting.items()]
        answer = client("sqs").send_message_batch(QueueUrl=setting("QUEUE_URL"), Entries=entries)
        refused = answer.get("Failed", [])
        if not refused:
            return
        waiting = {failure["Id"]: waiting[failure["Id"]] for failure in refused}
        time.sleep(random.uniform(0, 0.1 * 2**tries))
    raise NotSent(f"{len(waiting)} messages: {refused[0]['Code']}")

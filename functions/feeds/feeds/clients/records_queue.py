"""The queue of records: sent in batches of ten by several threads, received one at a time by the half-open probe."""

import json
import random
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

from setpieces.aws import client, patient_client
from setpieces.settings import setting
from setpieces.sqs_consumer import Record as Message

# Messages of one request.
MAX_ENTRIES = 10
# Of the 256 KB that a request may have.
MAX_BATCH_BYTES = 240_000
SENDERS = 8
MAX_TRIES = 6
# A short poll queries only some of the queue's servers, and may return nothing although messages wait.
WAIT_SECONDS = 5


class NotSent(Exception):
    """The queue refused messages at each of ``MAX_TRIES`` attempts."""


class RecordSender:
    """Sends messages; all are on the queue when the block ends. Raises ``NotSent``; messages sent before stay sent."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(SENDERS)
        self._in_progress: set[Future[None]] = set()
        self._batch: list[str] = []
        self._batch_bytes = 0

    def __enter__(self) -> "RecordSender":
        return self

    def __exit__(self, *raised: Any) -> None:
        try:
            if not raised[0]:
                self._send_batch()
                self._wait_for_batches(0)
        finally:
            self._pool.shutdown(cancel_futures=True)

    def add(self, message: dict[str, Any]) -> None:
        """Send a message with the next batch."""
        body = json.dumps(message, separators=(",", ":"))
        if len(self._batch) == MAX_ENTRIES or self._batch_bytes + len(body) > MAX_BATCH_BYTES:
            self._send_batch()
        self._batch.append(body)
        self._batch_bytes += len(body)

    def _send_batch(self) -> None:
        if self._batch:
            # If records are read faster than the queue accepts them, reading waits here: memory stays bounded.
            self._wait_for_batches(2 * SENDERS)
            self._in_progress.add(self._pool.submit(send, self._batch))
        self._batch, self._batch_bytes = [], 0

    def _wait_for_batches(self, max_in_progress: int) -> None:
        """Wait until at most ``max_in_progress`` batches are being sent. Raises the error of a batch that failed."""
        while len(self._in_progress) > max_in_progress:
            done, self._in_progress = wait(self._in_progress, return_when=FIRST_COMPLETED)
            for future in done:
                future.result()


def send(bodies: list[str]) -> None:
    """Send up to ten messages, and those of them again that the queue refuses. Raises ``NotSent``."""
    unsent = {str(index): body for index, body in enumerate(bodies)}
    for tries in range(MAX_TRIES):
        entries: list[Any] = [{"Id": index, "MessageBody": body} for index, body in unsent.items()]
        response = client("sqs").send_message_batch(QueueUrl=setting("QUEUE_URL"), Entries=entries)
        failures = response.get("Failed", [])
        if not failures:
            return
        unsent = {failure["Id"]: unsent[failure["Id"]] for failure in failures}
        time.sleep(random.uniform(0, 0.1 * 2**tries))
    raise NotSent(f"{len(unsent)} messages: {failures[0]['Code']}")


def receive() -> Message | None:
    """One message; None if there is none within ``WAIT_SECONDS``."""
    response = patient_client("sqs").receive_message(
        QueueUrl=setting("QUEUE_URL"),
        MessageSystemAttributeNames=["ApproximateReceiveCount"],
        WaitTimeSeconds=WAIT_SECONDS,
    )
    for message in response.get("Messages", []):
        return Message(
            message_id=message["MessageId"],
            receive_count=int(message["Attributes"]["ApproximateReceiveCount"]),
            group_id=None,
            attributes={},
            body=message["Body"],
            receipt_handle=message["ReceiptHandle"],
        )
    return None


def delete(message: Message) -> None:
    """Delete a message that is processed."""
    client("sqs").delete_message(QueueUrl=setting("QUEUE_URL"), ReceiptHandle=message.receipt_handle)

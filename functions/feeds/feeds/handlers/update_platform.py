"""The records queue: send records to the commerce platform, and open the circuit when the platform does not respond."""

import time

from feeds.workflow.circuit import open_circuit
from feeds.workflow.updates import update_platform
from setpieces.sqs_consumer import Record as Message
from setpieces.sqs_consumer import batch_handler

# Consecutive batches without a response, in one process and one minute: a process can sleep for hours between two batches, and
# old failures say nothing about the platform now. All processes see an outage, and opening the circuit twice has no effect.
THRESHOLD = 3
WINDOW_SECONDS = 60
# When batches got no response, in epoch seconds: the monotonic clock may stand still while a process sleeps.
_failed_at: list[float] = []


def process(messages: list[Message]) -> list[str]:
    """The ids of the messages to be delivered again."""
    retry_ids, platform_responded = update_platform(messages)
    now = time.time()
    _failed_at[:] = [] if platform_responded else [*(at for at in _failed_at if now - at < WINDOW_SECONDS), now]
    if len(_failed_at) >= THRESHOLD:
        _failed_at.clear()
        open_circuit("the commerce platform does not answer")
    return retry_ids


handler = batch_handler(process)

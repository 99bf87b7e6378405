"""Records of a feed from the queue to the commerce platform; opens the circuit when the platform does not answer."""

import time

from feeds.repository.circuit import open_circuit
from feeds.workflow.update import update
from setpieces.sqs_consumer import Record, batch_handler

# Batches in a row without an answer, in one process and one minute: a process can sleep for hours between two batches, and what
# it saw before says nothing of now. The processes of an outage all see it, and opening twice is opening once.
THRESHOLD = 3
WINDOW_SECONDS = 60
# When batches found no answer, in epoch seconds: other clocks may stand still while a process sleeps.
_unanswered: list[float] = []


def process(records: list[Record]) -> list[str]:
    waiting, answered = update(records)
    now = time.time()
    _unanswered[:] = [] if answered else [*(at for at in _unanswered if now - at < WINDOW_SECONDS), now]
    if len(_unanswered) >= THRESHOLD:
        _unanswered.clear()
        open_circuit("the commerce platform does not answer")
    return waiting


handler = batch_handler(process)

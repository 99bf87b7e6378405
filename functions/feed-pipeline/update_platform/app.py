"""Records of a feed from the queue to the commerce platform; opens the circuit when the platform does not answer."""

from feed_circuit import open_circuit
from feed_updates import update

from setpieces.queues import Record, batch_handler

# Batches in a row without an answer, in one process. The processes of an outage all see it, and opening twice is opening once.
THRESHOLD = 3
_unanswered = 0


def process(records: list[Record]) -> list[str]:
    global _unanswered
    waiting, answered = update(records)
    _unanswered = 0 if answered else _unanswered + 1
    if _unanswered >= THRESHOLD:
        _unanswered = 0
        open_circuit("the commerce platform does not answer")
    return waiting


handler = batch_handler(process)

"""The circuit between a queue and the commerce platform: while it is open, the queue's event source mapping is disabled.

Messages wait on the queue without using up receives. Every minute the half-open probe sends one message, and closes the circuit
when the platform responds.

A mapping that was disabled here always has an item, or nothing would enable it again. So the item is stored before the
mapping is disabled, and once more afterwards, because the circuit may have been closed in between; it is deleted after the
mapping is enabled, if it is still the one from before. A crash in between leaves a circuit that the probe closes. A mapping
that an operator disabled has no item and stays disabled.
"""

from feeds.clients import event_source
from feeds.repository import circuit
from setpieces.observability import logger, metrics
from setpieces.settings import setting


def open_circuit(reason: str) -> None:
    """Stop deliveries from the queue."""
    circuit.put(reason)
    try:
        event_source.set_enabled(False)
    finally:
        circuit.put(reason)
    logger.error("circuit opened", extra={"feed": setting("FEED_TYPE"), "reason": reason})
    metrics.add_metric(name="CircuitOpened", unit="Count", value=1)


def close_circuit(opened_at: str) -> bool:
    """Resume deliveries. False if the circuit was opened again since ``opened_at``, or another change is in progress."""
    if not event_source.set_enabled(True) or not circuit.delete(opened_at):
        return False
    logger.warning("circuit closed", extra={"feed": setting("FEED_TYPE")})
    return True

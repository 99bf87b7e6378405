"""The circuit between a queue and the commerce platform: while it is open, the queue's event source mapping is disabled.

Messages wait on the queue without using up receives. Every minute the half-open probe sends one message, and closes the circuit
when the platform responds.

An open circuit has an item (``repository.circuit``); without it, the probe would not enable the mapping again. So the item is
stored before the mapping is disabled, and once more afterwards, because the circuit may have been closed in between; it is
deleted after the mapping is enabled, unless the circuit was opened again. A crash in between leaves a circuit that the probe
closes. If an operator disables the mapping, there is no item, and the mapping stays disabled.
"""

from feeds.clients import event_source
from feeds.repository import circuit
from setpieces.observability import logger, metrics
from setpieces.settings import setting


def open_circuit(reason: str) -> None:
    """Store the open circuit, and disable the mapping unless another change of it is in progress. Raises errors of AWS."""
    circuit.put(reason)
    try:
        event_source.set_enabled(False)
    finally:
        circuit.put(reason)
    logger.error("circuit opened", extra={"feed": setting("FEED_TYPE"), "reason": reason})
    metrics.add_metric(name="CircuitOpened", unit="Count", value=1)


def close_circuit(opened_at: str) -> bool:
    """Enable the mapping. False if the circuit was opened again since ``opened_at``, or another change is in progress."""
    if not event_source.set_enabled(True) or not circuit.delete(opened_at):
        return False
    logger.warning("circuit closed", extra={"feed": setting("FEED_TYPE")})
    return True

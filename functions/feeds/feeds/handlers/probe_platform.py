"""Every minute, if the circuit is open: send one message (half-open probe), and close the circuit if the platform responds."""

from typing import Any

from feeds.clients import records_queue
from feeds.repository import circuit
from feeds.workflow.circuit import close_circuit
from feeds.workflow.updates import update_platform
from setpieces.observability import logger, observed


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, str]:
    """{"circuit": "closed", "open" or "closed again"}."""
    opened_at = circuit.opened_at()
    if not opened_at:
        return {"circuit": "closed"}
    message = records_queue.receive()
    if message:
        retry_ids, platform_responded = update_platform([message])
        if not retry_ids:
            records_queue.delete(message)
        if platform_responded and close_circuit(opened_at):
            return {"circuit": "closed again"}
    logger.info("circuit stays open", extra={"probed": message is not None})
    return {"circuit": "open"}

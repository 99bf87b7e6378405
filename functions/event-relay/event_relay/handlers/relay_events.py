"""Runs every minute (RelayMode schedule): publishes the updates on the FIFO queue as events."""

from typing import Any

from event_relay.workflow import drain_queue
from setpieces.observability import logger, observed


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    done = drain_queue(lambda: context.get_remaining_time_in_millis() / 1000)
    logger.info("queue drained", extra={"done": done})
    return {"done": done}

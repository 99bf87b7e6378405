"""Every minute: the platform's updates that have gathered on the FIFO queue become events (RelayMode schedule)."""

from typing import Any

from event_relay.clients import drain
from setpieces.observability import logger, observed


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    done = drain(lambda: context.get_remaining_time_in_millis() / 1000)
    logger.info("drained", extra={"done": done})
    return {"done": done}

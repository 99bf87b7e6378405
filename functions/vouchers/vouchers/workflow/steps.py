"""Handlers of the steps of the state machine."""

from collections.abc import Callable
from typing import Any

from setpieces import observability
from setpieces.observability import observed


def step_handler(step: Callable[[dict[str, Any], float], Any]) -> Callable[[dict[str, Any], Any], Any]:
    """A Lambda handler of ``step(event, remaining_seconds)``, under the correlation id of the batch."""

    def handler(event: dict[str, Any], context: Any) -> Any:
        observability.set_correlation_id(event.get("correlation_id"))
        return step(event, context.get_remaining_time_in_millis() / 1000)

    return observed(handler)

"""The frame around the functions of the workflow."""

from collections.abc import Callable
from typing import Any

from setpieces import observability
from setpieces.observability import observed


def run_step(function: Callable[[dict[str, Any], float], Any]) -> Callable[[dict[str, Any], Any], Any]:
    """Turn ``(input, remaining seconds) -> result`` into a Lambda handler under the correlation id of the batch."""

    def handler(event: dict[str, Any], context: Any) -> Any:
        observability.begin(event.get("correlation_id"))
        return function(event, context.get_remaining_time_in_millis() / 1000)

    return observed(handler)

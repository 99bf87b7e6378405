"""Reads the responses of all clients."""

from typing import Any

from setpieces.errors import ExternalUnavailable
from setpieces.external import Answer


def body_of(system: str, answer: Answer) -> dict[str, Any]:
    """The JSON object of a 200 or 201. Raises ``ExternalUnavailable`` for any other answer."""
    if answer.status not in (200, 201) or not isinstance(answer.body, dict):
        raise ExternalUnavailable(system, f"answered {answer.status}")
    return answer.body

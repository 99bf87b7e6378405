"""The queues that a function consumes, with their dead-letter queues."""

from typing import Any

import pytest

from model.templates import Piece, iter_resources, name_of

QUEUE, FUNCTION = "AWS::SQS::Queue", "AWS::Lambda::Function"

# {dead-letter queue that a function consumes: the queue where that function puts what it cannot deal with}.
CONSUMED = {"setpieces-local-orders-submit-dlq": "setpieces-local-orders-submit-parked"}


def consumers() -> list[Any]:
    """(queue, dead-letter queue) of every function that is behind a queue of its template and buries what no retry can help.

    Of a dead-letter queue that a function consumes, the last queue that an invalid message reaches.
    """
    params = []
    for piece, _, source in iter_resources("AWS::Lambda::EventSourceMapping"):
        queues, function = piece.of_type(QUEUE), piece.of_type(FUNCTION)[name_of(source["FunctionName"])]
        letters = queues.get(name_of(function["Environment"]["Variables"].get("DEAD_LETTER_QUEUE_URL")))
        queue = queues.get(name_of(source["EventSourceArn"]))
        if queue and letters and not conditional(piece, source):
            name, last = function["FunctionName"].removeprefix("setpieces-local-"), letters["QueueName"]
            params.append(pytest.param(queue["QueueName"], CONSUMED.get(last, last), id=name))
    return params


def conditional(piece: Piece, source: dict[str, Any]) -> bool:
    """True if the mapping depends on a parameter."""
    return any("Condition" in one for one in piece.resources.values() if one["Properties"] == source)

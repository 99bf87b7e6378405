"""Executions of the state machine that generates a batch."""

import json

from setpieces.aws import client
from setpieces.settings import setting


def start(batch_id: str, attempt: int, correlation_id: str) -> None:
    """Start the execution of this attempt, if it was not started before."""
    # No more than ids: the input of an execution can be read by everyone who may describe it.
    execution_input = {"batch_id": batch_id, "correlation_id": correlation_id}
    states = client("stepfunctions")
    try:
        states.start_execution(
            stateMachineArn=setting("STATE_MACHINE_ARN"),
            name=f"{batch_id}-{attempt}",
            input=json.dumps(execution_input),
        )
    except states.exceptions.ExecutionAlreadyExists:
        return

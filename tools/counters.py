"""Raises the counters of the sequences through the deployed state machine, after each deployment."""

import json
import time
from typing import Any

# First order number T100000000: no number has fewer than nine digits.
FLOORS = {"order": 99_999_999, "customer": 99_999_999, "voucher": 99_999_999}


def raise_sequences(stepfunctions: Any, ssm: Any, stage: str, seconds: float = 60) -> None:
    """Raise every counter to its floor; higher counters do not change.

    Raises RuntimeError if the execution does not succeed within ``seconds``.
    """
    machine = ssm.get_parameter(Name=f"/setpieces/{stage}/sequences/raise-sequence-arn")["Parameter"]["Value"]
    floors = [{"sequence": sequence, "num": str(num)} for sequence, num in FLOORS.items()]
    execution = stepfunctions.start_execution(stateMachineArn=machine, input=json.dumps({"floors": floors}))
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        state = stepfunctions.describe_execution(executionArn=execution["executionArn"])
        if state["status"] == "SUCCEEDED":
            return
        if state["status"] != "RUNNING":
            raise RuntimeError(f"raising the sequences {state['status']}: {state.get('error')} {state.get('cause')}")
        time.sleep(0.2)
    raise RuntimeError(f"raising the sequences did not end within {seconds:g} s")

"""After a deployment: local addresses in Parameter Store, and counters at their floor."""

import json
import re
import time
from typing import Any

import httpx

from local.settings import AWS_ENDPOINT, FRONT_DOOR, STAGE

# First order number T100000000: nine digits from the first to the last.
FLOORS = {"order": 99_999_999, "customer": 99_999_999, "voucher": 99_999_999}

_EXECUTE_API = re.compile(r"https://(?P<api>[a-z0-9]+)\.execute-api\.[^/]+/[^/]+")


def resources() -> list[dict[str, Any]]:
    """Every deployed resource, see ``local.emulator``."""
    return httpx.get(f"{AWS_ENDPOINT}/_setpieces/resources", timeout=30).raise_for_status().json()


def local_addresses(ssm: Any, deployed: list[dict[str, Any]]) -> dict[str, str]:
    """Point published execute-api URLs at the front door; returns what was changed, by parameter name.

    On AWS an API answers at its execute-api host; here it answers at the base path of its service.
    """
    prefix = f"setpieces-{STAGE}-"
    services = {
        resource["physical_id"]: resource["properties"]["Name"].removeprefix(prefix)
        for resource in deployed
        if resource["type"] == "AWS::ApiGateway::RestApi"
    }
    changed = {}
    for resource in deployed:
        if resource["type"] != "AWS::SSM::Parameter":
            continue
        value = str(resource["properties"]["Value"])
        local = _EXECUTE_API.sub(lambda match: f"{FRONT_DOOR}/{services[match['api']]}", value)
        if local != value:
            name = resource["properties"]["Name"]
            ssm.put_parameter(Name=name, Value=local, Type="String", Overwrite=True)
            changed[name] = local
    return changed


def raise_sequences(stepfunctions: Any, ssm: Any, stage: str, seconds: float = 60) -> None:
    """Raise every counter to its floor through the deployed state machine; counters above it stay where they are.

    Raises RuntimeError if the execution does not succeed in time.
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
            raise RuntimeError(
                f"raising the sequences ended as {state['status']}: {state.get('error')} {state.get('cause')}"
            )
        time.sleep(0.2)
    raise RuntimeError("raising the sequences did not end in time")

"""An alternative implementation that is deployed while it is measured."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from local.settings import FRONT_DOOR
from model.settings import STAGE
from tools.client import Shop

STACK = f"setpieces-{STAGE}-bench"


@contextmanager
def variant(shop: Shop, template: Path, parameters: dict[str, str]) -> Iterator[None]:
    """Deploy a template with an API, which the front door serves under ``/bench``, during the block."""
    cloudformation = shop.aws("cloudformation")
    stack_parameters = [{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()]
    cloudformation.create_stack(
        StackName=STACK, TemplateBody=template.read_text(), Parameters=stack_parameters, Capabilities=["CAPABILITY_IAM"]
    )
    try:
        cloudformation.get_waiter("stack_create_complete").wait(StackName=STACK, WaiterConfig={"Delay": 1})
        httpx.post(f"{FRONT_DOOR}/_front_door/reload", timeout=30).raise_for_status()
        yield
    finally:
        cloudformation.delete_stack(StackName=STACK)
        httpx.post(f"{FRONT_DOOR}/_front_door/reload", timeout=30).raise_for_status()

"""The stacks of a stage: their state, their failures, and the credentials that may change them."""

import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from typing import Any, Protocol

import boto3
from botocore.exceptions import BotoCoreError, ClientError, WaiterError

from local.settings import aws_environment
from tools.failures import CommandFailed
from tools.stages import DELIVERY, WHOLE_SHOP, stack_of, stage_parameters, stage_settings

# The status of a stack whose creation was rolled back; it has no resources.
FAILED_CREATION = "ROLLBACK_COMPLETE"


class Clients(Protocol):
    """The part of ``boto3.Session`` that these functions use."""

    def client(self, service: str, /) -> Any: ...


class DeployFailed(CommandFailed):
    """The message has the failed step, the reason and the remedy."""


def session_for(stage: str) -> boto3.Session:
    """A session with the credentials of the environment, or of the local cloud for stage local."""
    if stage == "local":
        os.environ.update(aws_environment())
    return boto3.Session(region_name=stage_settings(stage)["region"])


def check_account(stage: str, session: Clients) -> None:
    """Raises ``DeployFailed`` if the credentials are not of the stage's account."""
    settings = stage_parameters(stage)
    try:
        account = session.client("sts").get_caller_identity()["Account"]
    except (BotoCoreError, ClientError) as error:
        raise DeployFailed(f"No usable AWS credentials for stage {stage}: {error}") from error
    if account != settings["StageAccountId"]:
        raise DeployFailed(
            f"The account of stage {stage} is {settings['StageAccountId']}, but your credentials are of account {account}. "
            "Nothing was deployed. Use other credentials, or change the account in samconfig.toml if the stage has moved."
        )


def deployed_stack(name: str, session: Clients) -> dict[str, Any] | None:
    """CloudFormation's description of the stack ``name``; None if there is none, or only a change set that was not executed."""
    client = session.client("cloudformation")
    try:
        stacks = client.describe_stacks(StackName=name)["Stacks"]
    except client.exceptions.ClientError as error:
        if "does not exist" in error.response["Error"]["Message"]:
            return None
        raise
    return None if stacks[0]["StackStatus"] == "REVIEW_IN_PROGRESS" else dict(stacks[0])


def check_alone(stage: str, piece: str, session: Clients) -> None:
    """Raises ``DeployFailed`` for a set piece of a deployed shop: queues and log groups would have the same names."""
    if piece not in (WHOLE_SHOP, DELIVERY) and deployed_stack(stack_of(stage, WHOLE_SHOP), session):
        raise DeployFailed(
            f"Stage {stage} has the whole shop, {piece} included: a second stack cannot have resources with the same names. "
            f"Deploy the shop: make deploy ENV={stage}. It updates only changes. Nothing was deployed."
        )


def remove_failed_creation(stack: str, session: Clients) -> None:
    """Delete ``stack`` if its creation failed and was rolled back: it has no resources, and CloudFormation cannot update it."""
    stack_description = deployed_stack(stack, session)
    if not stack_description or stack_description["StackStatus"] != FAILED_CREATION:
        return
    client = session.client("cloudformation")
    # By its ARN, which still describes the stack when it is deleted.
    client.delete_stack(StackName=stack_description["StackId"])
    try:
        client.get_waiter("stack_delete_complete").wait(
            StackName=stack_description["StackId"], WaiterConfig={"Delay": 5, "MaxAttempts": 360}
        )
    except WaiterError as error:
        raise DeployFailed(
            f"The creation of {stack} had failed, and the failed stack could not be deleted: {error}"
        ) from error


def failed_resources(stack: str, session: Clients, since: datetime) -> list[str]:
    """CloudFormation's messages for resources of ``stack`` and its nested stacks that failed ``since``, oldest first."""
    events = _events(stack, session.client("cloudformation"), since)
    return [
        f"  {event['StackName']} / {event['LogicalResourceId']} ({event['ResourceType']}): {event['ResourceStatusReason']}"
        for event in sorted(events, key=lambda event: event["Timestamp"])
        if event["ResourceStatus"].endswith("FAILED") and event.get("ResourceStatusReason")
    ]


def _events(stack: str, client: Any, since: datetime) -> Iterator[dict[str, Any]]:
    """The events of ``stack`` and of the stacks nested in it.

    A nested stack is described by its ARN: a stack that was rolled back is no longer found by its name, and a role may describe
    only the stacks of its stage.
    """
    nested = set()
    with suppress(BotoCoreError, ClientError):  # the events of other stacks are still useful
        for page in client.get_paginator("describe_stack_events").paginate(StackName=stack):
            events = [event for event in page["StackEvents"] if event["Timestamp"] >= since]
            yield from events
            nested |= {
                event["PhysicalResourceId"]
                for event in events
                if event["ResourceType"] == "AWS::CloudFormation::Stack"
                and event.get("PhysicalResourceId") not in (None, "", event["StackId"])
            }
            if len(events) < len(page["StackEvents"]):
                break  # newest first
    for each in sorted(nested):
        yield from _events(each, client, since)

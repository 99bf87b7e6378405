"""``make destroy``: delete the shop of a stage or one set piece, after listing the resources that are retained.

make destroy ENV=dev                            lists the resources, then prompts for the stack's name
make destroy ENV=dev CONFIRM=setpieces-dev      deletes without a prompt
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import boto3
import click
from botocore.exceptions import WaiterError
from rich.console import Console
from rich.table import Table

from model.templates import load
from tools.failures import CommandFailed, check_running
from tools.options import PIECE, STAGE
from tools.progress import step
from tools.stacks import DeployFailed, check_account, failed_resources, session_for
from tools.stages import DELIVERY, WHOLE_SHOP, stack_of

RETAINED = ("Retain", "RetainExceptOnCreate")
NESTED = "AWS::CloudFormation::Stack"
# Why resources are retained.
REASONS = {
    "AWS::DynamoDB::Table": "data; import it into a new stack, or delete it",
    "AWS::S3::Bucket": "files; empty it with all versions before it can be deleted",
    "AWS::KMS::Key": "encrypted data, backups included, cannot be read without it",
    "AWS::Logs::LogGroup": "audit log",
    "AWS::Lambda::LayerVersion": "functions of other stacks may use it",
}


@dataclass(frozen=True)
class Resource:
    stack: str
    name: str
    kind: str
    physical: str
    retained: bool


def resources(client: Any, stack: str) -> Iterator[Resource]:
    """All resources of a stack and of the stacks nested in it, with their deletion policies."""
    body = client.get_template(StackName=stack, TemplateStage="Processed")["TemplateBody"]
    template = load(body) if isinstance(body, str) else body
    for page in client.get_paginator("list_stack_resources").paginate(StackName=stack):
        for summary in page["StackResourceSummaries"]:
            if summary["ResourceType"] == NESTED:
                yield from resources(client, summary["PhysicalResourceId"])
                continue
            name, physical = summary["LogicalResourceId"], summary.get("PhysicalResourceId", "")
            policy = template["Resources"].get(name, {}).get("DeletionPolicy")
            yield Resource(stack_name(stack), name, summary["ResourceType"], physical, policy in RETAINED)


def stack_name(stack: str) -> str:
    """The name of a stack, given that or its ARN."""
    return stack.split("/")[1] if stack.startswith("arn:") else stack


def summary_of(resources: list[Resource]) -> Table:
    """The retained resources, and the number of those that are deleted."""
    table = Table("stack", "retained", "type", "name", "why")
    retained = sorted((each for each in resources if each.retained), key=lambda each: (each.stack, each.name))
    for each in retained:
        table.add_row(each.stack, each.name, each.kind, each.physical, REASONS.get(each.kind, "its deletion policy"))
    table.caption = f"{len(resources) - len(retained)} other resources are deleted. See docs/runbooks/teardown.md."
    return table


def check_last(stack: str, stage: str, session: boto3.Session) -> None:
    """Raises ``CommandFailed`` if the stage has other stacks, which CloudFormation deletes with the role of ``stack``."""
    pages = session.client("cloudformation").get_paginator("describe_stacks").paginate()
    names = [each["StackName"] for page in pages for each in page["Stacks"] if "ParentId" not in each]
    shop = stack_of(stage, WHOLE_SHOP)
    other_stacks = sorted(name for name in names if name != stack and (name == shop or name.startswith(f"{shop}-")))
    if other_stacks:
        raise CommandFailed(
            f"{stack} must be deleted last, because its role deletes the other stacks. First destroy {', '.join(other_stacks)}."
        )


def empty(buckets: Iterator[str], session: boto3.Session) -> None:
    """Delete all versions of all objects of ``buckets``: S3 deletes only empty buckets."""
    for bucket in buckets:
        session.resource("s3").Bucket(bucket).object_versions.delete()


def destroy(stack: str, session: boto3.Session) -> None:
    """Delete a stack and wait until it is deleted. Raises ``DeployFailed`` with CloudFormation's reasons."""
    client, started = session.client("cloudformation"), datetime.now(UTC)
    client.delete_stack(StackName=stack)
    try:
        client.get_waiter("stack_delete_complete").wait(StackName=stack, WaiterConfig={"Delay": 2, "MaxAttempts": 1800})
    except WaiterError as error:
        reasons = failed_resources(stack, session, started)
        raise DeployFailed("\n".join([f"{stack} was not deleted:", *(reasons or [str(error)])])) from error


@click.command(epilog="make destroy ENV=dev PIECE=basket CONFIRM=setpieces-dev-basket")
@click.option("--env", "stage", type=STAGE, envvar="ENV", required=True, help="The stage to delete from.")
@click.option(
    "--piece", type=PIECE, envvar="PIECE", default="shop", show_default=True, help="One set piece, or the whole shop."
)
@click.option("--confirm", envvar="CONFIRM", help="The name of the stack; answers the confirmation.")
def main(stage: str, piece: str, confirm: str | None) -> None:
    """Delete a stack; resources with data are retained."""
    if stage == "local":
        check_running()
    stack = stack_of(stage, piece)
    session = session_for(stage)
    check_account(stage, session)
    client = session.client("cloudformation")
    try:
        with step(f"reading the resources of {stack}"):
            existing = list(resources(client, stack))
    except client.exceptions.ClientError as error:
        raise DeployFailed(f"Stack {stack} does not exist: {error.response['Error']['Message']}") from error
    Console(width=None if sys.stdout.isatty() else 200, highlight=False).print(summary_of(existing))
    if confirm is None and sys.stdin.isatty():
        confirm = click.prompt(f"Type {stack} to delete it", default="", show_default=False)
    if confirm != stack:
        raise CommandFailed(f"Nothing was deleted. To confirm, set the name of the stack: CONFIRM={stack}")
    if piece == DELIVERY:
        check_last(stack, stage, session)
        with step("emptying the bucket of artifacts"):
            empty((each.physical for each in existing if each.kind == "AWS::S3::Bucket" and not each.retained), session)
    with step(f"deleting {stack}"):
        destroy(stack, session)
    click.echo(f"Deleted {stack}.")

"""``make destroy``: delete a stage's shop or one of its pieces, after saying what goes and what is retained.

make destroy ENV=dev                            what would go and what would stay, then asks for the stack's name
make destroy ENV=dev CONFIRM=setpieces-dev
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import boto3
import click
from botocore.exceptions import WaiterError
from rich.console import Console
from rich.table import Table
from samtranslator.yaml_helper import yaml_parse

from tools.failures import CommandFailed, check_running
from tools.options import PIECE, STAGE
from tools.progress import step
from tools.stacks import DeployFailed, check_account, failed_resources, session_for
from tools.stages import DELIVERY, WHOLE_SHOP, stack_of

RETAINED = ("Retain", "RetainExceptOnCreate")
NESTED = "AWS::CloudFormation::Stack"
# What is retained is retained for these reasons.
WHY = {
    "AWS::DynamoDB::Table": "data; import it into a new stack, or delete it",
    "AWS::S3::Bucket": "files; empty it with all versions before it can be deleted",
    "AWS::KMS::Key": "what is encrypted with it, backups too, cannot be read without it",
    "AWS::Logs::LogGroup": "who did what",
    "AWS::Lambda::LayerVersion": "functions of other stacks may use it",
}


@dataclass(frozen=True)
class Resource:
    stack: str
    name: str
    kind: str
    physical: str
    retained: bool


def resources(client, stack: str) -> Iterator[Resource]:  # type: ignore[no-untyped-def]
    """Every resource of a stack and of those nested in it, with what its template says becomes of it."""
    body = client.get_template(StackName=stack, TemplateStage="Processed")["TemplateBody"]
    template = yaml_parse(body) if isinstance(body, str) else body
    for page in client.get_paginator("list_stack_resources").paginate(StackName=stack):
        for one in page["StackResourceSummaries"]:
            if one["ResourceType"] == NESTED:
                yield from resources(client, one["PhysicalResourceId"])
                continue
            policy = template["Resources"].get(one["LogicalResourceId"], {}).get("DeletionPolicy")
            physical = one.get("PhysicalResourceId", "")
            yield Resource(
                stack_name(stack), one["LogicalResourceId"], one["ResourceType"], physical, policy in RETAINED
            )


def stack_name(stack: str) -> str:
    """The name of a stack, given that or its ARN."""
    return stack.split("/")[1] if stack.startswith("arn:") else stack


def explain(found: list[Resource]) -> Table:
    """What stays, one row each, and how much goes."""
    table = Table("stack", "retained", "type", "name", "why")
    for one in sorted((one for one in found if one.retained), key=lambda one: (one.stack, one.name)):
        table.add_row(one.stack, one.name, one.kind, one.physical, WHY.get(one.kind, "the template says so"))
    table.caption = f"{sum(not one.retained for one in found)} other resources go. See docs/runbooks/teardown.md."
    return table


def check_nothing_needs(stack: str, stage: str, session: boto3.Session) -> None:
    """Refuse to take away what every other stack of the stage is deleted with: CloudFormation's role, the boundary."""
    pages = session.client("cloudformation").get_paginator("describe_stacks").paginate()
    names = [each["StackName"] for page in pages for each in page["Stacks"] if "ParentId" not in each]
    shop = stack_of(stage, WHOLE_SHOP)
    left = sorted(name for name in names if name != stack and (name == shop or name.startswith(f"{shop}-")))
    if left:
        raise CommandFailed(
            f"{stack} must be deleted last, because its role deletes the other stacks. First destroy {', '.join(left)}."
        )


def empty(buckets: Iterator[str], session: boto3.Session) -> None:
    """Delete every object of ``buckets`` with all versions: S3 deletes no bucket that holds any."""
    for bucket in buckets:
        session.resource("s3").Bucket(bucket).object_versions.delete()


def destroy(stack: str, session: boto3.Session) -> None:
    """Delete a stack and wait. Raises ``DeployFailed`` with what CloudFormation could not delete."""
    client, started = session.client("cloudformation"), datetime.now(UTC)
    client.delete_stack(StackName=stack)
    try:
        client.get_waiter("stack_delete_complete").wait(StackName=stack, WaiterConfig={"Delay": 2, "MaxAttempts": 1800})
    except WaiterError as error:
        reasons = failed_resources(stack, session, started)
        raise DeployFailed("\n".join([f"{stack} is not gone:", *(reasons or [str(error)])])) from error


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
            found = list(resources(client, stack))
    except client.exceptions.ClientError as error:
        raise DeployFailed(f"There is no stack {stack}: {error.response['Error']['Message']}") from error
    Console(width=None if sys.stdout.isatty() else 200, highlight=False).print(explain(found))
    if confirm is None and sys.stdin.isatty():
        confirm = click.prompt(f"Type {stack} to delete it", default="", show_default=False)
    if confirm != stack:
        raise CommandFailed(f"Nothing was deleted. To confirm, set the name of the stack: CONFIRM={stack}")
    if piece == DELIVERY:
        check_nothing_needs(stack, stage, session)
        with step("emptying the bucket of artifacts"):
            empty((one.physical for one in found if one.kind == "AWS::S3::Bucket" and not one.retained), session)
    with step(f"deleting {stack}"):
        destroy(stack, session)
    click.echo(f"Deleted {stack}.")

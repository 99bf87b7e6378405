"""``make iam-report``: the grants of all roles, with the calls and resources that explain them.

    make iam-report          lists unexplained grants; exits with 1 if there are any
    make iam-report ALL=1    lists all grants with their explanations

A grant is one action on one resource of one role of the templates. It is explained by

* a call that it allowed while the local cloud ran (``local.emulator.iam_usage``), for example in the tests of `make test`;
* a resource of the template that needs it (``local.campaigns.iam_needs``); or
* a reason in ``REASONS``.
"""

import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from local import emulator_client
from local.campaigns.iam_needs import Grant, grants, needs
from local.cloud.integration_role import SERVICE as DELIVERY
from local.cloud.integration_role import TESTS_STACK, integration_roles
from local.emulator import iam_usage
from local.settings import STACK
from model.templates import Piece, pieces
from tools.failures import requires_shop

NO_CODEDEPLOY = "CodeDeploy invokes the hook on AWS only; tests do what the hook does"
LATE = "a message is deferred when its receiver sheds load"
AWS_DOWN = "a message is deferred when a service of AWS does not respond"
# {(service, role, action): the case in which it is needed, which neither a test nor a template shows}.
REASONS: dict[tuple[str, str, str], str] = {
    ("customer-migration", "MigrateCustomerFunctionRole", "sqs:ChangeMessageVisibility"): LATE,
    ("feed-pipeline", "ProbePlatformFunctionRole", "sqs:ChangeMessageVisibility"): "the platform is still unavailable",
    (
        "feed-pipeline",
        "ProbePlatformFunctionRole",
        "sqs:SendMessage",
    ): "the platform refuses the record of the probe",
    ("feed-pipeline", "TransformFeedFunctionRole", "lambda:InvokeFunction"): "a feed takes longer than 15 minutes",
    (
        "operations",
        "ListEventsFunctionRole",
        "logs:FilterLogEvents",
    ): "AWS matches the ARN with its suffix, the local cloud without",
    ("foundation", "CheckVersionsFunctionRole", "codedeploy:GetDeployment"): NO_CODEDEPLOY,
    ("foundation", "CheckVersionsFunctionRole", "codedeploy:PutLifecycleEventHookExecutionStatus"): NO_CODEDEPLOY,
    ("foundation", "CheckVersionsFunctionRole", "lambda:InvokeFunction"): NO_CODEDEPLOY,
    ("foundation", "DeploymentRole", "lambda:InvokeFunction"): NO_CODEDEPLOY,
    ("orders", "FailDeadLetterFunctionRole", "sqs:ChangeMessageVisibility"): AWS_DOWN,
    ("orders", "CompleteOrderFunctionRole", "sqs:ChangeMessageVisibility"): LATE,
    ("orders", "ProcessOrderFunctionRole", "sqs:ChangeMessageVisibility"): LATE,
    (
        "orders",
        "ProcessOrderFunctionRole",
        "ssm:GetParameter",
    ): "it completes a paid order whose completion was lost",
    ("shipping", "QueueShipmentFunctionRole", "sqs:ChangeMessageVisibility"): AWS_DOWN,
    ("sitemaps", "ReleaseIndexFunctionRole", "states:DescribeExecution"): "a run is redriven after another has begun",
    ("sitemaps", "VerifyReleaseFunctionRole", "s3:ListBucket"): "a file of the release is missing",
    ("sitemaps", "CleanUpFunctionRole", "s3:DeleteObject"): "only files that are weeks old are deleted",
    ("vouchers", "LeaseRangeFunctionRole", "dynamodb:GetItem"): "two runs of a batch lease at the same time",
    ("vouchers", "LeaseRangeFunctionRole", "s3:ListBucket"): "an operator runs a failed batch again",
    ("vouchers", "NotifyRequesterFunctionRole", "sqs:ChangeMessageVisibility"): LATE,
    ("vouchers", "StoreFileFunctionRole", "dynamodb:GetItem"): "a batch is cancelled while its file is stored",
    ("vouchers", "StoreFileFunctionRole", "s3:AbortMultipartUpload"): "the upload of a file is interrupted",
    ("vouchers", "StoreFileFunctionRole", "s3:DeleteObject"): "a batch is cancelled while its file is stored",
}


def reported() -> list[Piece]:
    """All templates; of ``delivery`` only the roles that the integration tests use."""
    return [integration_roles() if service == DELIVERY else piece for service, piece in pieces().items()]


def roles_by_service(deployed: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """(physical name, service) of each deployed role."""
    nested = {
        f"{STACK}-{name}": resource["Properties"]["Location"].removesuffix(".yaml")
        for name, resource in pieces()["shop"].source["Resources"].items()
    }
    nested[TESTS_STACK] = DELIVERY
    for resource in deployed:
        if resource["type"] == "AWS::IAM::Role":
            stack = max((name for name in nested if resource["stack"].startswith(name)), key=len, default="")
            yield resource["physical_id"], nested.get(stack, "")


def used(
    deployed: list[dict[str, Any]], usage: Iterable[Path] = (iam_usage.USAGE,)
) -> set[tuple[str, str, tuple[str, int, int, int]]]:
    """(service, role, where) of the grants that allowed a call, in any of the stacks of a template.

    ``usage`` are files of ``local.emulator.iam_usage``, one for each copy of the shop.
    """
    services = dict(roles_by_service(deployed))
    roles = {
        one["physical_id"]: (services[one["physical_id"]], one["logical_id"])
        for one in deployed
        if one["physical_id"] in services
    }
    return {
        (*roles[role], (policy, number, action, resource))
        for role, policy, number, action, resource in set().union(*map(iam_usage.read, usage))
        if role in roles
    }


def wildcards() -> list[str]:
    """The grants of an action with ``*``. Wide resources are checked in tests/templates/test_policies.py."""
    return [
        f"{one.service} {one.role} {one.action}" for piece in reported() for one in grants(piece) if "*" in one.action
    ]


def explanations(used_grants: set[tuple[str, str, tuple[str, int, int, int]]]) -> dict[Grant, str]:
    """{grant: explanation} of all grants; the text is empty for an unexplained one."""
    result = {}
    for piece in reported():
        required = needs(piece)
        for grant in grants(piece):
            reason = REASONS.get((grant.service, grant.role, grant.action), "")
            explanation = next((need.reason for need in required if need.met_by(grant)), reason)
            result[grant] = "used" if (grant.service, grant.role, grant.where) in used_grants else explanation
    return result


@click.command(epilog="make iam-report ALL=1")
@click.option("--all", "everything", is_flag=True, envvar="ALL", help="List all grants, not only the unexplained ones.")
@click.option(
    "--usage",
    multiple=True,
    default=(iam_usage.USAGE,),
    type=click.Path(path_type=Path),
    help="Recorded grants of copies of one shop; default: of the running shop.",
)
@requires_shop
def main(everything: bool, usage: tuple[Path, ...]) -> None:
    """List the grants of roles with the calls and resources that explain them."""
    console = Console(width=None if sys.stdout.isatty() else 200, highlight=False)
    report = explanations(used(emulator_client.resources(), usage))
    unexplained = [grant for grant, explanation in report.items() if not explanation]
    listed = sorted(report if everything else unexplained)
    if listed:
        table = Table("service", "role", "action", "resource", "explained by")
        for grant in listed:
            table.add_row(grant.service, grant.role, grant.action, grant.resource, report[grant] or "[red]nothing[/]")
        console.print(table)
    counts: dict[str, int] = defaultdict(int)
    for explanation in report.values():
        kind = "with a reason" if explanation in REASONS.values() else "needed by the template"
        counts["used" if explanation == "used" else kind if explanation else "unexplained"] += 1
    roles = len({(grant.service, grant.role) for grant in report})
    console.print(f"{len(report)} grants of {roles} roles: " + ", ".join(f"{n} {kind}" for kind, n in counts.items()))
    stale = sorted(set(REASONS) - {(grant.service, grant.role, grant.action) for grant in report})
    for error in [*wildcards(), *(f"no such grant: {reason}" for reason in stale)]:
        console.print(error, style="red")
    if unexplained:
        console.print(
            "Run the tests first (make test). Remove grants that are still listed, or explain them in REASONS."
        )
    raise SystemExit(1 if unexplained or stale or wildcards() else 0)

"""``make iam-report``: what every role may do, beside what it was seen to do or is known to need.

    make iam-report          the grants that nothing explains; exits 1 if there are any
    make iam-report ALL=1    every grant, with what explains it

A grant is one action on one resource of one role of the templates. It is explained by

* a call that it let through while the local cloud ran (``local.emulator.iam_usage``): run the tests first, `make test` does;
* what another resource of the template needs it for, where the local cloud does not enforce roles: event sources, state
  machines, schedules, authorizers, streams, containers and keys (``needs``); or
* a reason that is written down here (``REASONS``).
"""

import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from local import emulator_client
from local.cloud.integration_role import SERVICE as DELIVERY
from local.cloud.integration_role import TESTS_STACK, integration_roles
from local.emulator import iam_usage
from local.settings import STACK
from model.grants import as_list, role_policies, statements
from model.templates import Piece, definition, name_of, pieces
from tools.failures import requires_shop

# What a poller calls with the role of the function.
# https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
POLLS = {
    "sqs": ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"),
    "dynamodb": ("dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"),
}
# Actions that a Step Functions integration is not named after.
# https://docs.aws.amazon.com/step-functions/latest/dg/integrate-services.html
INTEGRATIONS = {
    "lambda:Invoke": ("lambda:InvokeFunction",),
    "s3:CopyObject": ("s3:GetObject", "s3:PutObject"),
}
# What a target is sent or started with.
TARGETS = {
    "AWS::Lambda::Function": "lambda:InvokeFunction",
    "AWS::SQS::Queue": "sqs:SendMessage",
    "AWS::StepFunctions::StateMachine": "states:StartExecution",
}
# https://docs.aws.amazon.com/firehose/latest/dev/controlling-access.html#using-iam-s3
DELIVERS = (
    "s3:AbortMultipartUpload",
    "s3:GetBucketLocation",
    "s3:ListBucket",
    "s3:ListBucketMultipartUploads",
    "s3:PutObject",
    "kms:Decrypt",
    "kms:GenerateDataKey",
    "lambda:InvokeFunction",
    "lambda:GetFunctionConfiguration",
    "logs:PutLogEvents",
)
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_execution_IAM_role.html
STARTS_CONTAINERS = (
    "ecr:GetAuthorizationToken",
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchGetImage",
    "ecr:GetDownloadUrlForLayer",
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "secretsmanager:GetSecretValue",
    "ssm:GetParameters",
    "kms:Decrypt",
)
# (service, role, action): why it is granted though neither a test nor a template shows it.
NO_CODEDEPLOY = "CodeDeploy invokes the hook on AWS only; tests do what the hook does"
LATE = "a message is put off when its receiver sheds load"
AWS_DOWN = "a message is put off when a service of AWS does not answer"
REASONS: dict[tuple[str, str, str], str] = {
    ("customer-migration", "MigrateCustomerFunctionRole", "sqs:ChangeMessageVisibility"): LATE,
    ("feed-pipeline", "ProbePlatformFunctionRole", "sqs:ChangeMessageVisibility"): "the platform is still away",
    (
        "feed-pipeline",
        "ProbePlatformFunctionRole",
        "sqs:SendMessage",
    ): "the platform refuses just the record that it is tried with",
    ("feed-pipeline", "TransformFeedFunctionRole", "lambda:InvokeFunction"): "a feed takes longer than 15 minutes",
    (
        "operations",
        "ListEventsFunctionRole",
        "logs:FilterLogEvents",
    ): "AWS wants the ARN with its end, the local cloud without",
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
    ): "a paid order that its completion has lost is finished here",
    ("shipping", "QueueShipmentFunctionRole", "sqs:ChangeMessageVisibility"): AWS_DOWN,
    ("sitemaps", "ReleaseIndexFunctionRole", "states:DescribeExecution"): "a run is redriven after another has begun",
    ("sitemaps", "VerifyReleaseFunctionRole", "s3:ListBucket"): "a file of the release is missing",
    ("sitemaps", "CleanUpFunctionRole", "s3:DeleteObject"): "files have to be weeks old before they go",
    ("vouchers", "LeaseRangeFunctionRole", "dynamodb:GetItem"): "two runs of a batch lease at the same time",
    ("vouchers", "LeaseRangeFunctionRole", "s3:ListBucket"): "a batch that failed is run again by hand",
    ("vouchers", "NotifyRequesterFunctionRole", "sqs:ChangeMessageVisibility"): LATE,
    ("vouchers", "StoreFileFunctionRole", "dynamodb:GetItem"): "a batch is cancelled while its file is stored",
    ("vouchers", "StoreFileFunctionRole", "s3:AbortMultipartUpload"): "a file's upload fails half-way",
    ("vouchers", "StoreFileFunctionRole", "s3:DeleteObject"): "a batch is cancelled while its file is stored",
}


@dataclass(frozen=True, order=True)
class Granted:
    """One action on one resource; ``where`` is its policy's name and the indexes of statement, action and resource."""

    service: str
    role: str
    action: str
    resource: str
    where: tuple[str, int, int, int]


def reported() -> list[Piece]:
    """Every template; of ``delivery`` only the roles that the integration tests use."""
    return [integration_roles() if service == DELIVERY else piece for service, piece in pieces().items()]


def granted(piece: Piece) -> Iterator[Granted]:
    """Everything that the roles of a template may do, AWS's own policies aside."""
    for role in piece.of_type("AWS::IAM::Role"):
        for policy, document in role_policies(piece, role):
            for number, statement in enumerate(statements(document)):
                if statement["Effect"] == "Allow":
                    for a, action in enumerate(as_list(statement["Action"])):
                        for r, resource in enumerate(as_list(statement["Resource"])):
                            yield Granted(piece.service, role, action, resource, (policy, number, a, r))


# --- what templates need it for ---


@dataclass(frozen=True)
class Need:
    """``role`` must be able to do ``action``, on ``target`` if it names a resource, for ``why``."""

    role: str
    action: str
    target: str
    why: str

    def met_by(self, grant: Granted) -> bool:
        """Is ``grant`` what is needed?"""
        return (self.role, self.action) == (grant.role, grant.action) and self.target in grant.resource


def needs(piece: Piece) -> list[Need]:
    """What resources of the template need of its roles, where nothing here enforces that."""
    derived = (
        _event_sources,
        _state_machines,
        _targets,
        _authorizers,
        _streams,
        _containers,
        _failures,
        _keys,
        _trails,
    )
    return [need for derive in derived for need in derive(piece)]


def _event_sources(piece: Piece) -> Iterator[Need]:
    for name, source in piece.of_type("AWS::Lambda::EventSourceMapping").items():
        origin = piece.resources.get(name_of(source["EventSourceArn"]), {"Type": "AWS::SQS::Queue"})
        role = _role_of(piece, source["FunctionName"])
        for action in POLLS[origin["Type"].split("::")[1].lower()]:
            yield Need(role, action, name_of(source["EventSourceArn"]), f"event source {name}")


def _state_machines(piece: Piece) -> Iterator[Need]:
    for name, machine in piece.of_type("AWS::StepFunctions::StateMachine").items():
        if "DefinitionUri" not in piece.source["Resources"][name]["Properties"]:
            continue
        role, why = name_of(machine["RoleArn"]), f"a task of {name}"
        text = json.dumps(definition(piece, name))
        for service, call in re.findall(r"states:::(?:aws-sdk:)?(\w+):(\w+)", text):
            action = f"{service}:{call[0].upper()}{call[1:]}"
            for needed in INTEGRATIONS.get(action, (action,)):
                functions = re.findall(r"\$\{(\w+Function)\}", text) if service == "lambda" else [""]
                yield from (Need(role, needed, function, why) for function in functions)


def _targets(piece: Piece) -> Iterator[Need]:
    targets = [(name, one["Target"]) for name, one in piece.of_type("AWS::Scheduler::Schedule").items()]
    targets += [
        (name, target)
        for name, rule in piece.of_type("AWS::Events::Rule").items()
        for target in rule.get("Targets", [])
    ]
    for name, target in targets:
        if "RoleArn" not in target:
            continue
        role, resource = name_of(target["RoleArn"]), piece.resources[name_of(target["Arn"])]
        yield Need(role, TARGETS[resource["Type"]], name_of(target["Arn"]), f"target of {name}")
        if "DeadLetterConfig" in target:
            letters = name_of(target["DeadLetterConfig"]["Arn"])
            yield Need(role, "sqs:SendMessage", letters, f"dead letters of {name}")
            # https://docs.aws.amazon.com/scheduler/latest/UserGuide/configuring-schedule-dlq.html
            yield from (Need(role, action, "", f"encrypted dead letters of {name}") for action in _KEY_TO_SEND)


# Why S3 needs a key. The key's own policy lets everybody of the account use it through S3, so a role need not have it too.
BY_THE_KEY = "objects that are encrypted"


def unmet(piece: Piece, grants: list[Granted]) -> list[Need]:
    """What resources of a template need and none of ``grants`` gives."""
    found = [need for need in needs(piece) if need.why != BY_THE_KEY]
    return [need for need in found if not any(need.met_by(grant) for grant in grants)]


_KEY_TO_SEND = ("kms:Decrypt", "kms:GenerateDataKey")


def _authorizers(piece: Piece) -> Iterator[Need]:
    for document in piece.apis.values():
        for operation in (one for methods in document.resources.values() for one in methods.values()):
            if operation.authorizer and operation.authorizer.credentials:
                role = name_of(operation.authorizer.credentials)
                yield Need(role, "lambda:InvokeFunction", "", f"authorizer {operation.authorizer.name}")


def _streams(piece: Piece) -> Iterator[Need]:
    for name, stream in piece.of_type("AWS::KinesisFirehose::DeliveryStream").items():
        role = name_of(stream["ExtendedS3DestinationConfiguration"]["RoleARN"])
        yield from (Need(role, action, "", f"deliveries of {name}") for action in DELIVERS)


def _containers(piece: Piece) -> Iterator[Need]:
    for name, task in piece.of_type("AWS::ECS::TaskDefinition").items():
        role = name_of(task["ExecutionRoleArn"])
        yield from (Need(role, action, "", f"starting {name}") for action in STARTS_CONTAINERS)


def _trails(piece: Piece) -> Iterator[Need]:
    for name, trail in piece.of_type("AWS::CloudTrail::Trail").items():
        role = name_of(trail["CloudWatchLogsRoleArn"])
        yield from (
            Need(role, action, "", f"log of {name}") for action in ("logs:CreateLogStream", "logs:PutLogEvents")
        )


def _failures(piece: Piece) -> Iterator[Need]:
    """Where Lambda sends what a function could not do, with the function's own role."""
    for resource in piece.resources.values():
        properties = resource["Properties"]
        if resource["Type"] in ("AWS::Lambda::EventSourceMapping", "AWS::Lambda::EventInvokeConfig"):
            letters = properties.get("DestinationConfig", {}).get("OnFailure")
            if letters:
                function = name_of(properties["FunctionName"])
                role = _role_of(piece, function)
                yield Need(role, "sqs:SendMessage", name_of(letters["Destination"]), f"dead letters of {function}")


def _keys(piece: Piece) -> Iterator[Need]:
    """S3 asks for the key of an encrypted object with the reader's and the writer's own rights."""
    encrypted = {
        name
        for name, bucket in piece.of_type("AWS::S3::Bucket").items()
        if "KMSMasterKeyID" in str(bucket.get("BucketEncryption"))
    }
    for grant in granted(piece):
        if any(bucket in grant.resource for bucket in encrypted):
            if grant.action == "s3:GetObject":
                yield Need(grant.role, "kms:Decrypt", "", BY_THE_KEY)
            elif grant.action == "s3:PutObject":
                yield from (Need(grant.role, action, "", BY_THE_KEY) for action in _KEY_TO_SEND)


def _role_of(piece: Piece, function: Any) -> str:
    return name_of(piece.of_type("AWS::Lambda::Function")[name_of(function)]["Role"])


# --- what was used ---


def roles_by_service(deployed: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """(physical name, service) of every deployed role."""
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
    """(service, role, where) of the grants that let a call through, in any of the stacks of a template.

    ``usage`` are the files of ``local.emulator.iam_usage``, several if the shop has copies.
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
    """Actions with a ``*``: no role has one. Wide resources are checked in tests/templates/test_policies.py."""
    return [
        f"{one.service} {one.role} {one.action}" for piece in reported() for one in granted(piece) if "*" in one.action
    ]


def explained(seen: set[tuple[str, str, tuple[str, int, int, int]]]) -> dict[Granted, str]:
    """Every grant and what explains it; an empty text for those that nothing does."""
    result = {}
    for piece in reported():
        needed = needs(piece)
        for one in granted(piece):
            reason = REASONS.get((one.service, one.role, one.action), "")
            why = next((need.why for need in needed if need.met_by(one)), reason)
            result[one] = "used" if (one.service, one.role, one.where) in seen else why
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
    report = explained(used(emulator_client.resources(), usage))
    unexplained = [one for one, why in report.items() if not why]
    shown = sorted(report if everything else unexplained)
    if shown:
        table = Table("service", "role", "action", "resource", "explained by")
        for one in shown:
            table.add_row(one.service, one.role, one.action, one.resource, report[one] or "[red]nothing[/]")
        console.print(table)
    counts: dict[str, int] = defaultdict(int)
    for why in report.values():
        known = "with a reason" if why in REASONS.values() else "needed by the template"
        counts["used" if why == "used" else known if why else "unexplained"] += 1
    roles = len({(one.service, one.role) for one in report})
    console.print(f"{len(report)} grants of {roles} roles: " + ", ".join(f"{n} {what}" for what, n in counts.items()))
    stale = sorted(set(REASONS) - {(one.service, one.role, one.action) for one in report})
    for wrong in [*wildcards(), *(f"no such grant: {reason}" for reason in stale)]:
        console.print(wrong, style="red")
    if unexplained:
        console.print(
            "Run the tests first (make test). Remove grants that are still listed, or explain them in REASONS."
        )
    raise SystemExit(1 if unexplained or stale or wildcards() else 0)

"""The grants of the roles in a template, and the permissions that its resources need.

The local cloud does not enforce the roles of event sources, state machines, schedules, authorizers, streams, containers and
keys. Their permissions are derived from the templates.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from model.grants import as_list, role_policies, statements
from model.templates import Piece, definition, name_of

# The calls of a poller with the role of the function.
# https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
POLLS = {
    "sqs": ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"),
    "dynamodb": ("dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"),
}
# Integrations of Step Functions that need other actions than the one of their name.
# https://docs.aws.amazon.com/step-functions/latest/dg/integrate-services.html
INTEGRATIONS = {
    "lambda:Invoke": ("lambda:InvokeFunction",),
    "s3:CopyObject": ("s3:GetObject", "s3:PutObject"),
}
# The action that a target needs, by its type.
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


@dataclass(frozen=True, order=True)
class Grant:
    """One action on one resource. ``where`` is the policy's name and the indexes of statement, action and resource."""

    service: str
    role: str
    action: str
    resource: str
    where: tuple[str, int, int, int]


def grants(piece: Piece) -> Iterator[Grant]:
    """The grants of all roles of a template, without AWS managed policies."""
    for role in piece.of_type("AWS::IAM::Role"):
        for policy, document in role_policies(piece, role):
            for number, statement in enumerate(statements(document)):
                if statement["Effect"] == "Allow":
                    for a, action in enumerate(as_list(statement["Action"])):
                        for r, resource in enumerate(as_list(statement["Resource"])):
                            yield Grant(piece.service, role, action, resource, (policy, number, a, r))


@dataclass(frozen=True)
class Need:
    """``role`` needs ``action``, on ``target`` unless that is empty, because of ``reason``."""

    role: str
    action: str
    target: str
    reason: str

    def met_by(self, grant: Grant) -> bool:
        """True if ``grant`` allows the action on the target."""
        return (self.role, self.action) == (grant.role, grant.action) and self.target in grant.resource


def needs(piece: Piece) -> list[Need]:
    """The permissions that resources of the template need and the local cloud does not enforce."""
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
        role, reason = name_of(machine["RoleArn"]), f"a task of {name}"
        text = json.dumps(definition(piece, name))
        for service, call in re.findall(r"states:::(?:aws-sdk:)?(\w+):(\w+)", text):
            action = f"{service}:{call[0].upper()}{call[1:]}"
            for required in INTEGRATIONS.get(action, (action,)):
                functions = re.findall(r"\$\{(\w+Function)\}", text) if service == "lambda" else [""]
                yield from (Need(role, required, function, reason) for function in functions)


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


# The key policy allows all principals of the account to use the key through S3, so roles do not need the grant.
ENCRYPTED_OBJECTS = "encrypted objects"


def unmet(piece: Piece, granted: list[Grant]) -> list[Need]:
    """The needs of a template's resources that no grant in ``granted`` meets."""
    required = [need for need in needs(piece) if need.reason != ENCRYPTED_OBJECTS]
    return [need for need in required if not any(need.met_by(grant) for grant in granted)]


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
    """Lambda sends failed invocations to the dead-letter queue with the function's own role."""
    for resource in piece.resources.values():
        properties = resource["Properties"]
        if resource["Type"] in ("AWS::Lambda::EventSourceMapping", "AWS::Lambda::EventInvokeConfig"):
            letters = properties.get("DestinationConfig", {}).get("OnFailure")
            if letters:
                function = name_of(properties["FunctionName"])
                role = _role_of(piece, function)
                yield Need(role, "sqs:SendMessage", name_of(letters["Destination"]), f"dead letters of {function}")


def _keys(piece: Piece) -> Iterator[Need]:
    """S3 uses the key of an encrypted object with the permissions of the reader or writer."""
    encrypted = {
        name
        for name, bucket in piece.of_type("AWS::S3::Bucket").items()
        if "KMSMasterKeyID" in str(bucket.get("BucketEncryption"))
    }
    for grant in grants(piece):
        if any(bucket in grant.resource for bucket in encrypted):
            if grant.action == "s3:GetObject":
                yield Need(grant.role, "kms:Decrypt", "", ENCRYPTED_OBJECTS)
            elif grant.action == "s3:PutObject":
                yield from (Need(grant.role, action, "", ENCRYPTED_OBJECTS) for action in _KEY_TO_SEND)


def _role_of(piece: Piece, function: Any) -> str:
    return name_of(piece.of_type("AWS::Lambda::Function")[name_of(function)]["Role"])

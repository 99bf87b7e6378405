"""The permissions that policies in the templates grant."""

from collections.abc import Iterator, Mapping
from typing import Any

from model.settings import ACCOUNT_ID, REGION
from model.templates import Piece, name_of

Policy = tuple[str, dict[str, Any]]


def as_list(value: Any) -> list[Any]:
    """``value`` as a list: policies contain one item or a list of them."""
    return value if isinstance(value, list) else [value]


def statements(document: dict[str, Any]) -> list[dict[str, Any]]:
    return as_list(document["Statement"])


def grants(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(action, resource) of all that a policy allows."""
    for statement in statements(document):
        if statement["Effect"] == "Allow":
            for action in as_list(statement.get("Action", [])):
                for resource in as_list(statement.get("Resource", "")):
                    yield action, resource


def role_policies(piece: Piece, role: str) -> list[Policy]:
    """(name, document) of the inline and attached policies of a role of this template, by its name or ARN."""
    name = name_of(role)
    inline = piece.of_type("AWS::IAM::Role")[name].get("Policies", [])
    attached = [
        policy
        for policy in piece.of_type("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy").values()
        if name in map(name_of, policy.get("Roles", []))
    ]
    return [(policy["PolicyName"], policy["PolicyDocument"]) for policy in inline + attached]


def role_documents(piece: Piece, role: str) -> list[dict[str, Any]]:
    """The inline and attached policies of a role of this template."""
    return [document for _, document in role_policies(piece, role)]


def role_grants(piece: Piece, role: str) -> set[tuple[str, str]]:
    """(action, resource) of all that a role of this template is allowed, without AWS managed policies."""
    return {grant for document in role_documents(piece, role) for grant in grants(document)}


def trusted(piece: Piece, role: str) -> set[str]:
    """The services that may assume a role."""
    trust = piece.of_type("AWS::IAM::Role")[name_of(role)]["AssumeRolePolicyDocument"]
    return {
        service for statement in statements(trust) for service in as_list(statement["Principal"].get("Service", []))
    }


def senders(piece: Piece, queue: str) -> set[tuple[str, str]]:
    """(service principal, logical id of its source) that a queue's policies allow to send messages."""
    senders_of_queue = set()
    for policy in piece.of_type("AWS::SQS::QueuePolicy").values():
        if queue not in map(name_of, policy["Queues"]):
            continue
        for statement in statements(policy["PolicyDocument"]):
            resources = map(name_of, as_list(statement["Resource"]))
            if "sqs:SendMessage" in as_list(statement["Action"]) and queue in resources:
                for service in as_list(statement["Principal"].get("Service", [])):
                    senders_of_queue.add((service, _source(statement.get("Condition", {}))))
    return senders_of_queue


def _source(condition: dict[str, dict[str, Any]]) -> str:
    return next((name_of(test["aws:SourceArn"]) for test in condition.values() if "aws:SourceArn" in test), "")


def allows(
    policies: list[dict[str, Any]],
    action: str,
    resource: str = "*",
    context: Mapping[str, str] | None = None,
    boundary: dict[str, Any] | None = None,
) -> bool:
    """True if the policies, as MiniStack evaluates them, allow ``action`` on an ARN; ``context`` has condition keys."""
    from ministack.core.iam_evaluator import EvalContext, evaluate, parse_policy_document

    call = EvalContext(
        principal_arn=f"arn:aws:sts::{ACCOUNT_ID}:assumed-role/role/session",
        principal_type="AssumedRole",
        principal_account=ACCOUNT_ID,
        action=action,
        resource_arn=resource,
        region=REGION,
        service_context={key.lower(): value for key, value in (context or {}).items()},
    )
    limits = [[parse_policy_document(boundary)]] if boundary else []
    return bool(evaluate(call, [parse_policy_document(policy) for policy in policies], *limits).decision == "Allow")

"""What CloudFormation may do with the service role that a stack was given, by the role's policies.

For a resource it needs what the handler of its type needs of the type's own service (the resource provider schemas that
cfn-lint packages), and ``iam:PassRole`` for each role that the resource is given. What handlers need of other services is for
properties that a resource may have or not, and is not asked for.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from model.settings import REGION

NESTED = "AWS::CloudFormation::Stack"
ROLE = "AWS::IAM::Role"
CLOUDFORMATION = "cloudformation.amazonaws.com"
# Services whose principal is not the name that their resource types have.
PRINCIPALS = {"StepFunctions": "states", "ECS": "ecs-tasks", "KinesisFirehose": "firehose"}
# What of a role is changed by which permission: asked for if the role has it, or it changes.
OF_A_ROLE = {
    "iam:AttachRolePolicy": "ManagedPolicyArns",
    "iam:CreateRole": "AssumeRolePolicyDocument",
    "iam:DeleteRole": "AssumeRolePolicyDocument",
    "iam:DeleteRolePolicy": "Policies",
    "iam:DetachRolePolicy": "ManagedPolicyArns",
    "iam:PutRolePermissionsBoundary": "PermissionsBoundary",
    "iam:PutRolePolicy": "Policies",
    "iam:TagRole": "Tags",
    "iam:UntagRole": "Tags",
    "iam:UpdateAssumeRolePolicy": "AssumeRolePolicyDocument",
    "iam:UpdateRole": "MaxSessionDuration",
}
# Below these a role is named, and not given.
NAMED_ONLY = ("Environment", "DefinitionSubstitutions", "Parameters")
Need = tuple[str, str, dict[str, str]]


class Refused(Exception):
    """The service role may not do what a resource needs. The message is IAM's."""


def check(role: str, operation: str, kind: str, name: str, properties: Mapping[str, Any], changed: set[str]) -> None:
    """Raise ``Refused`` unless ``role`` may ``operation`` the resource ``name``, of whose ``properties`` some ``changed``."""
    for action, resource, context in needs(role, operation, kind, name, properties, changed):
        if message := refusal(
            f"{role.replace(':iam:', ':sts:').replace(':role/', ':assumed-role/')}/AWSCloudFormation",
            action,
            resource,
            context,
        ):
            raise Refused(message)


def needs(
    role: str, operation: str, kind: str, name: str, properties: Mapping[str, Any], changed: set[str]
) -> Iterator[Need]:
    """(action, resource, condition keys) of every call. Only IAM's are of one resource, all others of any."""
    if kind == ROLE:
        arn = f"{role.rpartition(':role/')[0]}:role{properties.get('Path', '/')}{name}"
        context = {"iam:PermissionsBoundary": str(properties.get("PermissionsBoundary", ""))}
        yield from ((each, arn, context) for each in permissions(kind, operation) if OF_A_ROLE.get(each) in changed)
        return
    yield from ((each, "*", {}) for each in permissions(kind, operation))
    if operation != "delete":
        service = kind.split("::")[1]
        given = {role} if kind == NESTED else set(roles_given(properties))
        principal = f"{PRINCIPALS.get(service, service.lower())}.amazonaws.com"
        yield from (("iam:PassRole", each, {"iam:PassedToService": principal}) for each in sorted(given))


@lru_cache
def permissions(kind: str, operation: str) -> tuple[str, ...]:
    """What the handler of a type needs of the type's own service; none if the registry does not tell."""
    from cfnlint.schema import PROVIDER_SCHEMA_MANAGER, ResourceNotFoundError

    try:
        handlers = PROVIDER_SCHEMA_MANAGER.get_resource_schema(REGION, kind).schema.get("handlers", {})
    except ResourceNotFoundError:
        return ()
    services = Counter(
        each.split(":")[0]
        for each in handlers.get("create", {}).get("permissions", ())
        if kind == ROLE or each[:4] != "iam:"
    )
    own = services.most_common(1)[0][0] if services else ""
    return tuple(each for each in handlers.get(operation, {}).get("permissions", ()) if each.split(":")[0] == own)


def roles_given(value: Any) -> Iterator[str]:
    """The ARN of every role in the properties of a resource, which its service will assume."""
    if isinstance(value, list):
        for each in value:
            yield from roles_given(each)
    elif isinstance(value, Mapping):
        for name, each in value.items():
            if isinstance(each, str) and ":role/" in each and name.lower().endswith(("role", "rolearn", "credentials")):
                yield each
            elif name not in NAMED_ONLY:
                yield from roles_given(each)


def refusal(caller: str, action: str, resource: str, context: Mapping[str, str]) -> str:
    """IAM's message if the role or user ``caller`` may not; empty if it may."""
    from ministack.core import iam_actions, iam_evaluator

    account, _, identity = caller.split(":", 4)[4].partition(":")
    kind, _, name = identity.partition("/")
    if kind == "root":
        return ""
    policies = (
        iam_evaluator._gather_user_policies(name.split("/")[-1], account)
        if kind == "user"
        else iam_evaluator._gather_role_policies(name.split("/")[-2], account)
    )
    call = iam_evaluator.EvalContext(
        principal_arn=caller,
        principal_type="User" if kind == "user" else "AssumedRole",
        principal_account=account,
        action=action,
        resource_arn=resource,
        region=REGION,
        service_context={key.lower(): value for key, value in context.items()},
    )
    decision = iam_evaluator.evaluate(call, policies).decision
    message = iam_actions.identity_denial_message(action, caller, resource, decision == "Deny")
    return "" if decision == "Allow" else message


def of_stack(name: str) -> str:
    """The ARN of the service role of a stack, which those nested in it have too; empty if it was given none."""
    from ministack.services.cloudformation import _stacks

    stack = _stacks.get(name) or {}
    parent = stack.get("_parent_stack_name")
    return of_stack(parent) if parent else str(stack.get("RoleARN", ""))

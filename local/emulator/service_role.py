"""Checks the permissions of a stack's service role.

A resource needs the permissions of its type's handler in the type's own service (from the resource provider schemas that
cfn-lint packages), and ``iam:PassRole`` for each role in its properties. Handlers' permissions in other services depend on
optional properties, and are not checked.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from model.settings import REGION

NESTED = "AWS::CloudFormation::Stack"
ROLE = "AWS::IAM::Role"
CLOUDFORMATION = "cloudformation.amazonaws.com"
# Services whose principal differs from the name in their resource types.
PRINCIPALS = {"StepFunctions": "states", "ECS": "ecs-tasks", "KinesisFirehose": "firehose"}
# The property of a role that needs the permission, if the role has the property or the property changes.
ROLE_PROPERTIES = {
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
# Properties in which a role's ARN does not pass the role to the resource.
NOT_PASSED_IN = ("Environment", "DefinitionSubstitutions", "Parameters")
Requirement = tuple[str, str, dict[str, str]]


class AccessDenied(Exception):
    """The service role lacks a permission for a resource. The message is IAM's."""


def check(role: str, operation: str, kind: str, name: str, properties: Mapping[str, Any], changed: set[str]) -> None:
    """Raise ``AccessDenied`` unless ``role`` may carry out ``operation`` for the ``changed`` properties of a resource."""
    for action, resource, context in requirements(role, operation, kind, name, properties, changed):
        if message := denial(
            f"{role.replace(':iam:', ':sts:').replace(':role/', ':assumed-role/')}/AWSCloudFormation",
            action,
            resource,
            context,
        ):
            raise AccessDenied(message)


def requirements(
    role: str, operation: str, kind: str, name: str, properties: Mapping[str, Any], changed: set[str]
) -> Iterator[Requirement]:
    """(action, resource, condition keys) of each call. Only calls of IAM name a resource; the others have ``*``."""
    if kind == ROLE:
        arn = f"{role.rpartition(':role/')[0]}:role{properties.get('Path', '/')}{name}"
        context = {"iam:PermissionsBoundary": str(properties.get("PermissionsBoundary", ""))}
        yield from (
            (each, arn, context) for each in permissions(kind, operation) if ROLE_PROPERTIES.get(each) in changed
        )
        return
    yield from ((each, "*", {}) for each in permissions(kind, operation))
    if operation != "delete":
        service = kind.split("::")[1]
        passed_roles = {role} if kind == NESTED else set(find_passed_roles(properties))
        principal = f"{PRINCIPALS.get(service, service.lower())}.amazonaws.com"
        yield from (("iam:PassRole", each, {"iam:PassedToService": principal}) for each in sorted(passed_roles))


@lru_cache
def permissions(kind: str, operation: str) -> tuple[str, ...]:
    """The permissions that the handler of a type needs in the type's own service; none if the registry has no schema."""
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


def find_passed_roles(value: Any) -> Iterator[str]:
    """The ARN of each role in the properties of a resource, which its service assumes."""
    if isinstance(value, list):
        for each in value:
            yield from find_passed_roles(each)
    elif isinstance(value, Mapping):
        for name, each in value.items():
            if isinstance(each, str) and ":role/" in each and name.lower().endswith(("role", "rolearn", "credentials")):
                yield each
            elif name not in NOT_PASSED_IN:
                yield from find_passed_roles(each)


def denial(caller: str, action: str, resource: str, context: Mapping[str, str]) -> str:
    """IAM's message if the role or user ``caller`` lacks the permission; empty if it has it."""
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
    """The ARN of the service role of a stack, which its nested stacks inherit; empty if it has none."""
    from ministack.services.cloudformation import _stacks

    stack = _stacks.get(name) or {}
    parent = stack.get("_parent_stack_name")
    return of_stack(parent) if parent else str(stack.get("RoleARN", ""))

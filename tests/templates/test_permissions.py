"""Permissions that an account's policies must allow: CloudFormation's role to deploy our resources, the boundary to run them.

What CloudFormation calls is listed, for each type of resource and operation, by the types' schemas, which cfn-lint packages.
The documents of managed policies are in moto. Both are AWS's own data. permissions.yaml has what is lacking on purpose.
"""

import json
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER
from moto.iam.aws_managed_policies import aws_managed_policies_data

from model.grants import allows, as_list, grants, role_documents, statements, trusted
from model.settings import ACCOUNT_ID, REGION, STAGE
from model.templates import iter_resources, pieces

DATA = yaml.safe_load(Path(__file__).with_name("permissions.yaml").read_text())
# An administrator deploys it, without CloudFormation's role.
BOOTSTRAP = "delivery"
ROLE = f"arn:aws:iam::{ACCOUNT_ID}:role/"
OURS = f"{ROLE}setpieces-{STAGE}-cloudformation"
STACK = "AWS::CloudFormation::Stack"


class Call(NamedTuple):
    """A call of a resource type's handler."""

    type: str
    operation: str
    action: str


@cache
def resource_types() -> dict[str, str]:
    """The properties of all resources of each type that CloudFormation's role makes, as JSON."""
    properties_by_type: dict[str, list[Any]] = {}
    for service, piece in pieces().items():
        for resource in piece.resources.values() if service != BOOTSTRAP else ():
            properties_by_type.setdefault(resource["Type"], []).append(resource["Properties"])
    return {kind: json.dumps(properties) for kind, properties in properties_by_type.items()}


@cache
def handlers(kind: str) -> tuple[Call, ...]:
    """The calls of create, read, update, delete and list."""
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema(REGION, kind).schema
    return tuple(
        Call(kind, operation, action)
        for operation, handler in schema["handlers"].items()
        for action in handler.get("permissions", [])
    )


def calls() -> list[Call]:
    return [call for kind in resource_types() for call in handlers(kind)]


def is_allowed(call: Call, policies: list[dict[str, Any]]) -> bool:
    """Whether CloudFormation's role may do what a handler does, on a resource of the stage."""
    action = call.action.lower()
    if action == "iam:passrole":
        service = DATA["passes"].get(call.type, "")
        return allows(
            policies, action, OURS if call.type == STACK else f"{ROLE}setpieces-{STAGE}-role", passed(service)
        )
    if action == "iam:createservicelinkedrole":
        return allows(policies, action, f"{ROLE}aws-service-role/service.amazonaws.com/AWSServiceRole")
    if action.startswith("iam:"):
        # As CloudFormation sends it: each role of the shop has the boundary, see test_delivery_roles.py.
        return allows(policies, action, f"{ROLE}setpieces-{STAGE}-role", {"iam:PermissionsBoundary": "Boundary"})
    return allows(policies, action, f"arn:aws:{action.split(':')[0]}:{REGION}:{ACCOUNT_ID}:resource")


def passed(service: str) -> dict[str, str]:
    return {"iam:PassedToService": service}


def refused(policies: list[dict[str, Any]]) -> list[Call]:
    return [call for call in calls() if not is_allowed(call, policies)]


def excused(call: Call, entry: dict[str, Any]) -> bool:
    """Whether an entry of the allow-list is about this call, and none of our resources needs it."""
    return (
        call.type in entry["types"]
        and any(fnmatchcase(call.action, pattern) for pattern in entry["permissions"])
        and not ("unless" in entry and re.search(entry["unless"], resource_types()[call.type]))
    )


@pytest.fixture(scope="module")
def deployment() -> list[dict[str, Any]]:
    return role_documents(pieces()[BOOTSTRAP], "CloudFormationRole")


# --- deployment ---


def test_cloudformation_may_make_the_calls_of_our_resource_handlers(
    deployment: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
):
    lacking = refused(deployment)
    beyond = [call for call in lacking if not any(excused(call, entry) for entry in DATA["handlers"])]
    with capsys.disabled():
        print(
            f"\ndeployment permissions: {len(resource_types())} resource types, {len(calls())} calls of handlers, "
            f"{len({call.action for call in calls()})} permissions; {len(lacking)} calls in {len(DATA['handlers'])} exceptions"
        )
    assert [" ".join(call) for call in beyond] == []


def test_every_exception_of_deployment_is_needed(deployment: list[dict[str, Any]]):
    lacking = refused(deployment)
    spare = [
        (kind, pattern)
        for entry in DATA["handlers"]
        for kind in entry["types"]
        for pattern in entry["permissions"]
        if not any(excused(call, {**entry, "types": [kind], "permissions": [pattern]}) for call in lacking)
    ]
    assert spare == []


def test_each_role_can_be_passed_to_the_service_that_assumes_it(deployment: list[dict[str, Any]]):
    services = {
        service
        for piece, name, _ in iter_resources("AWS::IAM::Role")
        if piece.service != BOOTSTRAP
        for service in trusted(piece, name)
    }
    refused = {
        each
        for each in services
        if not allows(deployment, "iam:PassRole", f"{ROLE}setpieces-{STAGE}-role", passed(each))
    }
    assert refused == set()
    assert set(DATA["passes"].values()) == services | {"cloudformation.amazonaws.com"}
    passing = {call.type for call in calls() if call.action == "iam:PassRole"}
    assert set(DATA["passes"]) <= passing


def test_only_an_administrator_creates_the_guards_of_the_pipeline(deployment: list[dict[str, Any]]):
    guards = {"AWS::IAM::OIDCProvider", "AWS::IAM::ManagedPolicy"}
    assert guards <= {resource["Type"] for resource in pieces()[BOOTSTRAP].resources.values()}
    allowed_calls = [
        call
        for kind in guards
        for call in handlers(kind)
        if call.operation == "create" and is_allowed(call, deployment) and re.match("iam:(Create|Attach)", call.action)
    ]
    # A policy may be attached to a role that is within the boundary.
    assert [call.action for call in allowed_calls] == ["iam:AttachRolePolicy"]


# --- at run time ---


class Grant(NamedTuple):
    policy: str
    action: str
    resource: str


@cache
def managed_policies() -> dict[str, Any]:
    policies: dict[str, Any] = json.loads(aws_managed_policies_data)
    return policies


def granted() -> set[Grant]:
    """All grants of the shop's roles, by policies of ours (named by service and role) and AWS's."""
    all_grants = set()
    for piece, name, role in iter_resources("AWS::IAM::Role"):
        if piece.service == BOOTSTRAP:
            continue
        documents = [(f"{piece.service} {name}", document) for document in role_documents(piece, name)]
        for arn in role.get("ManagedPolicyArns", []):
            managed = arn.rsplit("/", 1)[-1]
            documents.append((managed, managed_policies()[managed]["Document"]))
        all_grants |= {Grant(policy, *grant) for policy, document in documents for grant in grants(document)}
    return all_grants


@pytest.fixture(scope="module")
def boundary() -> dict[str, Any]:
    """With the bucket's own name, as roles' policies have names of buckets."""
    (policy,) = pieces()[BOOTSTRAP].of_type("AWS::IAM::ManagedPolicy").values()
    bucket = f"arn:aws:s3:::setpieces-{STAGE}-artifacts-{ACCOUNT_ID}"
    text = json.dumps(policy["PolicyDocument"]).replace(f"arn:aws:s3:{REGION}:{ACCOUNT_ID}:Artifacts", bucket)
    document: dict[str, Any] = json.loads(text)
    return document


def resources(grant: Grant, boundary: dict[str, Any]) -> Iterator[str]:
    """The resource of a grant, and of what it includes those that the boundary names in a denial."""
    # CloudFormation names a role after its stack.
    yield grant.resource.replace(f"arn:aws:iam:{REGION}:{ACCOUNT_ID}:", f"{ROLE}setpieces-{STAGE}-")
    for statement in statements(boundary):
        if statement["Effect"] == "Deny":
            for resource in as_list(statement["Resource"]):
                same_service = resource.split(":")[2] == grant.action.split(":")[0]
                if same_service and fnmatchcase(resource, grant.resource):
                    yield resource


def denied(boundary: dict[str, Any]) -> set[Grant]:
    """Grants of roles that the boundary denies, wholly or for some resource."""
    return {
        grant
        for grant in granted()
        if not all(allows([boundary], grant.action, resource) for resource in resources(grant, boundary))
    }


def test_the_boundary_denies_nothing_that_a_role_is_granted_and_uses(
    boundary: dict[str, Any], capsys: pytest.CaptureFixture[str]
):
    lacking, all_grants = denied(boundary), granted()
    listed = {(policy, entry["action"]) for entry in DATA["boundary"] for policy in entry["policies"]}
    with capsys.disabled():
        managed = {grant.policy for grant in all_grants} & managed_policies().keys()
        print(
            f"\nruntime permissions: {len({grant.policy for grant in all_grants} - managed)} roles with policies of their own, "
            f"{len(managed)} managed policies, {len(all_grants)} grants; {len(lacking)} denied in {len(listed)} exceptions"
        )
    assert sorted(grant for grant in lacking if (grant.policy, grant.action) not in listed) == []
    # Each exception is needed.
    assert listed == {(grant.policy, grant.action) for grant in lacking}

"""The roles of the pipeline, of CloudFormation and of the integration tests, and the boundary of all others."""

from fnmatch import fnmatchcase

import yaml

from model.grants import allows, as_list, grants, role_documents, statements
from model.settings import ACCOUNT_ID, ROOT
from model.templates import iter_resources, pieces
from tests.templates.policies import BOOTSTRAP, identity_policies, integration_test_grants


def test_the_integration_tests_can_change_no_code_and_no_permission():
    """Neither the shop's code nor the artifacts; they can assume only the role without permissions."""
    granted = integration_test_grants()
    assert [
        action for _, action, _ in granted if action.startswith(("iam:", "cloudformation:Create", "lambda:Update"))
    ] == []
    assert [resource for _, action, resource in granted if action == "sts:AssumeRole"] == [
        f"arn:aws:iam::{ACCOUNT_ID}:role/setpieces-stranger-local"
    ]
    artifacts = f"arn:aws:s3:::setpieces-local-artifacts-{ACCOUNT_ID}"
    assert [
        grant for grant in granted if fnmatchcase(artifacts, grant[2]) or fnmatchcase(f"{artifacts}/x", grant[2])
    ] == [grant for grant in granted if grant[2] == "*"]


def test_sessions_of_the_pipeline_are_no_longer_than_their_roles_allow():
    """STS refuses a longer one, and the job ends before it has done anything."""
    longest = {
        role["RoleName"].rpartition("local-")[2]: role.get("MaxSessionDuration", 3600)
        for role in pieces()[BOOTSTRAP].of_type("AWS::IAM::Role").values()
    }
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "deploy.yml").read_text())["jobs"].values()
    actions = {
        step["with"]["role-to-assume"].rpartition("}}-")[2]: step["with"]["role-duration-seconds"]
        for job in jobs
        for step in job["steps"]
        if "role-to-assume" in step.get("with", {})
    }
    assert sorted(actions) == ["deploy", "integration-tests"]
    assert {role: seconds for role, seconds in actions.items() if seconds > longest[role]} == {}


def test_every_role_of_the_shop_is_within_the_boundary():
    """The role that CloudFormation works with can make no other."""
    outside = [
        f"{piece.service} {name}"
        for piece, name, role in iter_resources("AWS::IAM::Role")
        if piece.service != BOOTSTRAP and not role.get("PermissionsBoundary", "").endswith("/setpieces-local-boundary")
    ]
    assert outside == []


def test_the_boundary_allows_every_action_that_roles_are_granted():
    (policy,) = pieces()[BOOTSTRAP].of_type("AWS::IAM::ManagedPolicy").values()
    allowed = [action for action, _ in grants(policy["PolicyDocument"])]
    beyond = {action for _, action, _ in identity_policies() if not any(fnmatchcase(action, one) for one in allowed)}
    assert beyond == set()


def test_the_boundary_and_the_role_of_cloudformation_prevent_escalation():
    delivery = pieces()[BOOTSTRAP]
    (boundary,) = delivery.of_type("AWS::IAM::ManagedPolicy").values()
    assert not any(action.startswith("iam:") for action, _ in grants(boundary["PolicyDocument"]))
    makes_roles = [
        statement
        for document in role_documents(delivery, "CloudFormationRole")
        for statement in statements(document)
        if {"iam:CreateRole", "iam:PutRolePolicy", "iam:AttachRolePolicy"} & set(as_list(statement["Action"]))
    ]
    assert [statement["Condition"] for statement in makes_roles] == [
        {"ArnEquals": {"iam:PermissionsBoundary": "Boundary"}}
    ]


ROLE = "arn:aws:iam::000000000000:role/setpieces-local-"
OWN_ROLES = ("cloudformation", "deploy", "integration-tests")
SERVICES = ("cloudformation", "lambda", "ecs-tasks", "states", "codedeploy", "ec2")
CHANGES = [
    "AttachRolePolicy",
    "CreateRole",
    "DeleteRole",
    "DeleteRolePermissionsBoundary",
    "DeleteRolePolicy",
    "DetachRolePolicy",
    "PutRolePermissionsBoundary",
    "PutRolePolicy",
    "TagRole",
    "UntagRole",
    "UpdateAssumeRolePolicy",
    "UpdateRole",
    "UpdateRoleDescription",
]


def test_cloudformation_passes_its_role_to_nested_stacks_only():
    """A stack passes the role that it was given to each stack nested in it: without that, none can be created."""
    policies = role_documents(pieces()[BOOTSTRAP], "CloudFormationRole")
    passed = {
        (role, service)
        for role in OWN_ROLES
        for service in SERVICES
        if allows(policies, "iam:PassRole", ROLE + role, {"iam:PassedToService": f"{service}.amazonaws.com"})
    }
    assert passed == {("cloudformation", "cloudformation")}
    assert not allows(policies, "iam:PassRole", f"{ROLE}cloudformation")


def test_cloudformation_changes_none_of_the_pipelines_roles():
    policies = role_documents(pieces()[BOOTSTRAP], "CloudFormationRole")
    within = {"iam:PermissionsBoundary": "Boundary"}
    assert allows(policies, "iam:CreateRole", f"{ROLE}basket", within)
    assert [
        f"{action} {role}"
        for role in OWN_ROLES
        for action in CHANGES
        if allows(policies, f"iam:{action}", ROLE + role, within)
    ] == []


def test_cloudformation_may_assume_its_role_without_naming_a_source():
    """AWS documents aws:SourceAccount for the roles of CloudFormation's extensions, not for service roles."""
    role = pieces()[BOOTSTRAP].of_type("AWS::IAM::Role")["CloudFormationRole"]
    (trust,) = statements(role["AssumeRolePolicyDocument"])
    statement = {"Effect": "Allow", "Action": trust["Action"], "Resource": "*", "Condition": trust["Condition"]}
    sources: list[dict[str, str]] = [
        {},
        *({"aws:SourceAccount": account} for account in ("000000000000", "111122223333")),
    ]
    assert [allows([{"Statement": [statement]}], "sts:AssumeRole", "*", source) for source in sources] == [
        True,
        True,
        False,
    ]


def test_the_pipeline_deploys_from_its_environment_only():
    for role in ("DeployRole", "IntegrationTestRole"):
        (trust,) = statements(pieces()[BOOTSTRAP].of_type("AWS::IAM::Role")[role]["AssumeRolePolicyDocument"])
        tests = trust["Condition"]["StringEquals"]
        assert tests["token.actions.githubusercontent.com:aud"] == "sts.amazonaws.com"
        assert tests["token.actions.githubusercontent.com:sub"] == "repo:Repository:environment:local"

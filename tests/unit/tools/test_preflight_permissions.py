"""``make preflight``: missing permissions of the credentials, and the permissions of the pipeline's role."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from model.grants import allows, as_list, role_documents, statements
from model.settings import ACCOUNT_ID, REGION
from model.templates import iter_resources, pieces
from tests.unit.tools.preflight_account import DEV, DOMAIN, ISSUED, READY, RECORD, SETTINGS, ZONE, Stub, levels, look
from tools.preflight import permissions
from tools.preflight.account import Account, for_stage
from tools.preflight.command import NOT_ALLOWED, run_checks
from tools.preflight.findings import MISSING, OK, UNKNOWN


@pytest.mark.parametrize("code", sorted(NOT_ALLOWED))
def test_a_missing_permission_to_read_the_account_is_reported(code: str):
    findings = look(responses={"GetAccount": code})
    assert levels(findings, MISSING) == []
    assert "mail: these credentials may not call GetAccount" in levels(findings, UNKNOWN)


def test_a_bucket_that_refuses_without_an_error_document_is_reported():
    assert "bootstrap: these credentials may not call HeadBucket" in levels(
        look(responses={"HeadBucket": "403"}), UNKNOWN
    )


def test_another_error_of_aws_is_raised():
    with pytest.raises(ClientError, match="InternalFailure"):
        look(responses={"GetAccount": "InternalFailure"})


def test_the_role_of_the_pipeline_may_make_every_call_of_the_checks():
    """``make deploy`` runs the checks with the role's credentials: what it may not call would stay unknown."""
    stub = Stub(READY | ISSUED | ZONE | {"ListResourceRecordSets": RECORD})
    account = Account(stub.session, "prod")
    account.parameters |= SETTINGS | DOMAIN
    run_checks(account)
    role = next(
        role
        for piece, name, role in iter_resources("AWS::IAM::Role")
        if (piece.service, name) == ("delivery", "DeployRole")
    )
    allowed = {
        action
        for policy in role["Policies"]
        for statement in statements(policy["PolicyDocument"])
        for action in as_list(statement["Action"])
    }
    actions = {action_of(service, operation) for service, operation, _ in stub.calls}
    assert actions - allowed == NEEDS_NO_GRANT


@pytest.mark.parametrize(("piece", "allowed"), [("shop", True), ("delivery", False)])
def test_the_role_of_the_pipeline_may_deploy_the_shop_and_not_bootstrap(piece: str, allowed: bool):
    """The policy simulator evaluates the policies of the template's deploy role."""
    written = json.dumps(role_documents(pieces()["delivery"], "DeployRole"))
    # model.templates has placeholders for ARNs.
    for placeholder, arn in {
        f"arn:aws:s3:{REGION}:{ACCOUNT_ID}:Artifacts": f"arn:aws:s3:::setpieces-dev-artifacts-{DEV}",
        f"arn:aws:iam:{REGION}:{ACCOUNT_ID}:CloudFormationRole": f"arn:aws:iam::{DEV}:role/setpieces-dev-cloudformation",
    }.items():
        written = written.replace(placeholder, arn)
    documents = for_stage(json.loads(written), "dev", DEV)

    def simulate(call: dict[str, Any]) -> dict[str, Any]:
        action, resource = call["ActionNames"][0], call["ResourceArns"][0]
        context = {entry["ContextKeyName"]: entry["ContextKeyValues"][0] for entry in call["ContextEntries"]}
        decision = "allowed" if allows(documents, action, resource, context) else "implicitDeny"
        return {"EvaluationResults": [{"EvalActionName": action, "EvalDecision": decision}]}

    findings = look(permissions.caller_permissions, {"SimulatePrincipalPolicy": simulate}, piece=piece)
    assert [finding.level for finding in findings] == [OK if allowed else MISSING], findings


# IAM's prefix where it is not the SDK's name of the service.
PREFIXES = {
    "elastic-load-balancing-v2": "elasticloadbalancing",
    "cloudwatch-logs": "logs",
    "eventbridge": "events",
    "route-53": "route53",
    "sesv2": "ses",
    "sfn": "states",
    "service-quotas": "servicequotas",
    "secrets-manager": "secretsmanager",
}
ACTIONS = {"s3:HeadBucket": "s3:ListBucket"}
NEEDS_NO_GRANT = {"sts:GetCallerIdentity"}


def action_of(service: str, operation: str) -> str:
    """The IAM action of a call, as the Service Authorization Reference names it."""
    action = f"{PREFIXES.get(service, service)}:{operation}"
    return ACTIONS.get(action, action)

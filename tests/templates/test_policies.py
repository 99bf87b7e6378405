"""Least privilege, from the templates: policies grant no more than is needed."""

import re
from fnmatch import fnmatchcase

import pytest

from model.grants import as_list, role_documents, statements
from model.settings import ACCOUNT_ID
from model.templates import Piece, iter_resources, pieces
from tests.templates.policies import BOOTSTRAP, PIECES, identity_policies, integration_test_grants

# A `*` resource is right only where AWS knows no resource for the action, or the policy is the resource's own.
ANY_RESOURCE = {
    "xray:PutTraceSegments": "X-Ray has no resources",
    "xray:PutTelemetryRecords": "X-Ray has no resources",
    "cloudwatch:PutMetricData": "metrics have no resources",
    "ec2:DescribeNetworkInterfaces": "describing interfaces knows no resource",
    "ses:SendEmail": "SES asks for every identity that a mail names, recipients too; the condition says who it is from",
    "sqs:ListQueues": "listing knows no resource",
    "ecr:GetAuthorizationToken": "the token is the account's",
    "cloudfront:GetInvalidation": "the account has one distribution, whose name CloudFront generates",
    "cloudfront:ListInvalidations": "the account has one distribution, whose name CloudFront generates",
    "events:ListRules": "listing knows no resource",
    "logs:DescribeLogGroups": "listing knows no resource",
}
MANAGED = {
    "AWSLambdaBasicExecutionRole": "SAM adds it: writing logs",
    "AWSXrayWriteOnlyAccess": "SAM adds it for Tracing: Active",
    "AWSCodeDeployRoleForLambdaLimited": "how CodeDeploy shifts requests between versions, and back",
    "AmazonAPIGatewayPushToCloudWatchLogs": "the one role through which API Gateway writes access logs",
}
# Service principals without a source, by (piece, resource, principal).
WITHOUT_SOURCE = {
    (
        "foundation",
        "DataKey",
        "events.amazonaws.com",
    ): "EventBridge may not name the account to KMS; the queues' policies name the rule",
}
# Cryptography that services do for their clients. Voucher codes are made by a direct call (GenerateMac), which is not of these.
THROUGH_SERVICES = ("kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*")


def test_roles_use_the_key_through_a_service_only():
    """What a role may decrypt itself, its stolen credentials decrypt without the service's own permissions."""
    direct = [
        (piece.service, name, statement)
        for piece, name, _ in iter_resources("AWS::IAM::Role")
        if piece.service != BOOTSTRAP
        for document in role_documents(piece, name)
        for statement in statements(document)
        if any(
            fnmatchcase(action, pattern) or fnmatchcase(pattern.rstrip("*"), action)
            for action in as_list(statement.get("Action", []))
            for pattern in THROUGH_SERVICES
        )
        and "kms:ViaService" not in str(statement.get("Condition", {}))
        and "*" not in as_list(statement.get("Action", []))
    ]
    assert direct == []


def test_no_role_allows_every_action():
    assert [grant for grant in (*identity_policies(), *integration_test_grants()) if "*" in grant[1]] == []


def test_no_role_allows_every_resource():
    """Neither ``*`` nor an ARN whose resource part is one."""
    granted = (*identity_policies(), *integration_test_grants())
    wide = [grant for grant in granted if re.fullmatch(r"\*|arn(:[^:]*){4}:(\w+[:/])?\*", grant[2])]
    assert [grant for grant in wide if grant[1] not in ANY_RESOURCE] == []


def test_only_known_managed_policies_are_attached():
    attached = {
        arn.rsplit("/", 1)[-1]
        for _, _, role in iter_resources("AWS::IAM::Role")
        for arn in role.get("ManagedPolicyArns", [])
    }
    assert attached == set(MANAGED)


def test_no_statement_uses_negated_elements():
    """NotAction, NotResource and NotPrincipal allow more than is listed."""
    for piece in pieces().values():
        assert not re.search(r"'Not(Action|Resource|Principal)'", str(piece.resources)), piece.service


def test_a_resource_policy_names_its_principal_and_source():
    """A service principal without a source would let in that service on behalf of any account: the confused deputy."""
    for piece, name, policy in iter_resources(
        "AWS::SQS::QueuePolicy",
        "AWS::SNS::TopicPolicy",
        "AWS::S3::BucketPolicy",
        "AWS::KMS::Key",
        "AWS::ApiGateway::RestApi",
    ):
        document = next((policy[key] for key in ("PolicyDocument", "KeyPolicy", "Policy") if key in policy), None)
        for statement in statements(document) if document else []:
            if statement["Effect"] == "Deny":
                continue
            condition = str(statement.get("Condition", ""))
            principal = statement["Principal"]
            if "Service" in principal and (piece.service, name, str(principal["Service"])) in WITHOUT_SOURCE:
                assert "aws:Source" not in condition, (piece.service, name)
            elif "Service" in principal:
                assert re.search(r"aws:Source(Arn|Account)|EncryptionContext", condition), (piece.service, name)
            elif principal in ("*", {"AWS": "*"}):
                assert re.search(r"kms:CallerAccount|aws:Principal(OrgID|Account)", condition), (piece.service, name)


def test_every_function_has_a_role_of_its_own():
    roles = [(piece.service, function["Role"]) for piece, _, function in iter_resources("AWS::Lambda::Function")]
    assert len(roles) == len(set(roles))


def test_no_role_creates_a_log_group_of_a_template():
    """A function may run after its log group is deleted; a group that it creates again blocks the next stack."""
    boundary = pieces()[BOOTSTRAP].of_type("AWS::IAM::ManagedPolicy")["Boundary"]["PolicyDocument"]
    denied = [
        pattern
        for statement in statements(boundary)
        if statement["Effect"] == "Deny" and statement["Action"] == "logs:CreateLogGroup"
        for pattern in as_list(statement["Resource"])
    ]
    for _, name, group in iter_resources("AWS::Logs::LogGroup"):
        arn = f"arn:aws:logs:eu-central-1:{ACCOUNT_ID}:log-group:{group['LogGroupName']}"
        assert any(fnmatchcase(arn, pattern) for pattern in denied), name


def list_empty_paths(value: object, path: str = "") -> list[str]:
    """Empty list items and values in a template."""
    if value is None:
        return [path]
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [empty_path for key, inner in items for empty_path in list_empty_paths(inner, f"{path}/{key}")]


@pytest.mark.parametrize("piece", PIECES)
def test_no_policy_has_an_empty_value(piece: Piece):
    empty_paths = list_empty_paths(piece.source["Resources"])
    # A parameter of an EventBridge rule or a document may be null on purpose; a part of a policy never is.
    assert [path for path in empty_paths if "Polic" in path or "Statement" in path] == []

"""Least privilege, and the permissions between services that the local cloud does not enforce, from the templates.

MiniStack enforces the roles of functions, of integrations and the queue policies for SNS. It does not look at what lets a
service call another (``make parity``), so a missing permission would show on AWS only; these tests look.
"""

import re
from fnmatch import fnmatchcase

import pytest
import yaml

from local import iam_report
from local.declared import Piece, iter_resources, name_of, pieces
from local.grants import (
    allows,
    as_list,
    grants,
    role_documents,
    role_grants,
    senders,
    statements,
    trusted,
)
from local.integration_role import integration_roles
from local.settings import ACCOUNT_ID, ROOT

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
# Who assumes the roles named by these properties.
ASSUMED_BY = {
    ("AWS::Lambda::Function", "Role"): "lambda.amazonaws.com",
    ("AWS::StepFunctions::StateMachine", "RoleArn"): "states.amazonaws.com",
    ("AWS::KinesisFirehose::DeliveryStream", "RoleARN"): "firehose.amazonaws.com",
    ("AWS::Events::Rule", "RoleArn"): "events.amazonaws.com",
    ("AWS::Scheduler::Schedule", "RoleArn"): "scheduler.amazonaws.com",
    ("AWS::Pipes::Pipe", "RoleArn"): "pipes.amazonaws.com",
    ("AWS::ApiGateway::RestApi", "credentials"): "apigateway.amazonaws.com",
    ("AWS::ApiGateway::RestApi", "authorizerCredentials"): "apigateway.amazonaws.com",
    ("AWS::ApiGateway::Account", "CloudWatchRoleArn"): "apigateway.amazonaws.com",
    ("AWS::CloudTrail::Trail", "CloudWatchLogsRoleArn"): "cloudtrail.amazonaws.com",
}
# Bootstraps an account: CloudFormation must be able to make whatever templates declare. What it makes is bounded, see below.
# Service principals without a source, by (piece, resource, principal).
WITHOUT_SOURCE = {
    (
        "foundation",
        "DataKey",
        "events.amazonaws.com",
    ): "EventBridge may not name the account to KMS; the queues' policies name the rule",
}
BOOTSTRAP = "delivery"
PIECES = [pytest.param(piece, id=service) for service, piece in pieces().items()]


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


def identity_policies() -> list[tuple[str, str, str]]:
    """(service and role, action, resource) of every statement of every role."""
    return [
        (f"{piece.service} {name}", action, resource)
        for piece, name, _ in iter_resources("AWS::IAM::Role")
        if piece.service != BOOTSTRAP
        for document in role_documents(piece, name)
        for action, resource in grants(document)
    ]


def integration_test_grants() -> list[tuple[str, str, str]]:
    """Likewise of the roles of the integration tests, which have no boundary."""
    tests = integration_roles()
    return [
        (name, action, resource)
        for name in tests.of_type("AWS::IAM::Role")
        for document in role_documents(tests, name)
        for action, resource in grants(document)
    ]


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


def found(value: object, key: str) -> list[str]:
    """Every text that stands under ``key``, however deep."""
    if isinstance(value, dict):
        here = [value[key]] if isinstance(value.get(key), str) else []
        return here + [text for inner in value.values() for text in found(inner, key)]
    return [text for inner in value for text in found(inner, key)] if isinstance(value, list) else []


# --- no more than is needed ---


def test_no_role_may_do_anything_whatever():
    assert [grant for grant in (*identity_policies(), *integration_test_grants()) if "*" in grant[1]] == []


def test_no_role_may_use_any_resource():
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


def test_no_statement_turns_itself_around():
    """NotAction, NotResource and NotPrincipal allow more than is listed."""
    for piece in pieces().values():
        assert not re.search(r"'Not(Action|Resource|Principal)'", str(piece.resources)), piece.service


def test_a_resource_policy_names_who_may_and_on_whose_behalf():
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


def test_no_role_makes_a_log_group_that_a_template_makes():
    """A function outlives the deletion of its log group by a moment; made again, the group is in the way of the next stack."""
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


# --- the boundary ---


def test_every_role_of_the_shop_is_within_the_boundary():
    """The role that CloudFormation works with can make no other."""
    outside = [
        f"{piece.service} {name}"
        for piece, name, role in iter_resources("AWS::IAM::Role")
        if piece.service != BOOTSTRAP and not role.get("PermissionsBoundary", "").endswith("/setpieces-local-boundary")
    ]
    assert outside == []


def test_the_boundary_has_what_roles_are_granted():
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


# --- as much as is needed, where the emulator does not look ---


@pytest.mark.parametrize("piece", PIECES)
def test_a_role_trusts_exactly_who_assumes_it(piece: Piece):
    users: dict[str, set[str]] = {}
    for resource in piece.resources.values():
        for (kind, key), service in ASSUMED_BY.items():
            if resource["Type"] == kind:
                for role in found(resource["Properties"], key):
                    users.setdefault(name_of(role), set()).add(service)
    for role in piece.of_type("AWS::IAM::Role"):
        assert trusted(piece, role) == users.get(role, trusted(piece, role)), role


@pytest.mark.parametrize("piece", PIECES)
def test_a_direct_integration_may_do_its_one_action_on_one_resource(piece: Piece):
    for document in piece.apis.values():
        called: dict[str, set[str]] = {}
        for operation in (item for methods in document.resources.values() for item in methods.values()):
            integration = operation.integration
            if integration and integration.kind == "aws":
                call = re.search(r":apigateway:[^:]+:(\w+):action/(\w+)|:(\w+):path/", integration.uri)
                assert call, f"say here which action {integration.uri} is"
                assert integration.credentials, integration.uri
                called.setdefault(integration.credentials, set()).add(f"{call[1]}:{call[2]}")
        for role, actions in called.items():
            assert {action for action, _ in role_grants(piece, role)} == actions
            assert len({resource for _, resource in role_grants(piece, role)}) == 1


@pytest.mark.parametrize("piece", PIECES)
def test_an_authorizer_is_called_through_a_role_that_can_do_just_that(piece: Piece):
    for document in piece.apis.values():
        for operation in (item for methods in document.resources.values() for item in methods.values()):
            authorizer = operation.authorizer
            if authorizer and authorizer.credentials:
                ((action, function),) = role_grants(piece, authorizer.credentials)
                assert action == "lambda:InvokeFunction"
                assert name_of(function) in authorizer.uri


@pytest.mark.parametrize("piece", PIECES)
def test_a_consumer_may_receive_from_its_source(piece: Piece):
    needed = {
        "sqs": {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"},
        "dynamodb": {"dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"},
    }
    for source in piece.of_type("AWS::Lambda::EventSourceMapping").values():
        role = piece.of_type("AWS::Lambda::Function")[name_of(source["FunctionName"])]["Role"]
        origin = source["EventSourceArn"]
        allowed = {action for action, resource in role_grants(piece, role) if resource.startswith(origin)}
        assert needed[_service(piece, origin)] <= allowed


def _service(piece: Piece, origin: str) -> str:
    resource = piece.resources.get(name_of(origin))
    return resource["Type"].split("::")[1].lower() if resource else "sqs"


@pytest.mark.parametrize("piece", PIECES)
def test_a_rule_or_schedule_may_reach_its_targets(piece: Piece):
    invocable = {
        (permission["Principal"], name_of(permission["FunctionName"]), name_of(permission.get("SourceArn")))
        for permission in piece.of_type("AWS::Lambda::Permission").values()
    }
    for name, rule in piece.of_type("AWS::Events::Rule").items():
        for target in rule.get("Targets", []):
            resource = piece.resources.get(name_of(target["Arn"]), {"Type": "elsewhere"})
            if resource["Type"] == "AWS::Lambda::Function":
                assert ("events.amazonaws.com", name_of(target["Arn"]), name) in invocable
            elif resource["Type"] == "AWS::SQS::Queue":
                assert ("events.amazonaws.com", name) in senders(piece, name_of(target["Arn"]))
            elif resource["Type"] == "AWS::StepFunctions::StateMachine":
                assert role_grants(piece, target["RoleArn"]) == {("states:StartExecution", target["Arn"])}
    for schedule in piece.of_type("AWS::Scheduler::Schedule").values():
        target = schedule["Target"]
        ends = {target["Arn"], *found(target.get("DeadLetterConfig", {}), "Arn")}
        granted = role_grants(piece, target["RoleArn"])
        assert {resource for action, resource in granted if not action.startswith("kms:")} == ends


@pytest.mark.parametrize("piece", PIECES)
def test_a_subscription_may_deliver(piece: Piece):
    """To its queue and to its dead letters."""
    for subscription in piece.of_type("AWS::SNS::Subscription").values():
        if subscription["Protocol"] == "sqs":
            ends = [subscription["Endpoint"], *found(subscription.get("RedrivePolicy", {}), "deadLetterTargetArn")]
            for end in ends:
                assert ("sns.amazonaws.com", name_of(subscription["TopicArn"])) in senders(piece, name_of(end))


@pytest.mark.parametrize("piece", PIECES)
def test_a_bucket_may_notify(piece: Piece):
    invocable = {
        name_of(permission["FunctionName"])
        for permission in piece.of_type("AWS::Lambda::Permission").values()
        if permission["Principal"] == "s3.amazonaws.com"
    }
    for bucket in piece.of_type("AWS::S3::Bucket").values():
        wiring = bucket.get("NotificationConfiguration", {})
        assert {name_of(function) for function in found(wiring, "Function")} <= invocable
        for queue in found(wiring, "Queue"):
            assert "s3.amazonaws.com" in {service for service, _ in senders(piece, name_of(queue))}


def test_every_function_may_write_its_log():
    for piece, name, function in iter_resources("AWS::Lambda::Function"):
        attached = piece.of_type("AWS::IAM::Role")[name_of(function["Role"])].get("ManagedPolicyArns", [])
        assert any(re.search(r"/AWSLambda(Basic|VPCAccess)ExecutionRole$", arn) for arn in attached), name


# --- the key ---


def test_every_service_that_delivers_into_something_encrypted_may_use_the_key():
    """The emulator does not read key policies; on AWS, without these the deliveries fail silently."""
    key = pieces()["foundation"].of_type("AWS::KMS::Key")["DataKey"]
    allowed = {
        service: set(as_list(statement["Action"]))
        for statement in statements(key["KeyPolicy"])
        if isinstance(statement["Principal"], dict)
        for service in as_list(statement["Principal"].get("Service", []))
    }
    for service in delivering():
        assert {"kms:Decrypt", "kms:GenerateDataKey*"} <= allowed.get(service, set()), service
    for _, name, group in iter_resources("AWS::Logs::LogGroup"):
        assert not group.get("KmsKeyId") or any(service.startswith("logs.") for service in allowed), name


def delivering() -> set[str]:
    """The services that write to a queue or topic under the key with their own identity."""
    services = set()
    for piece, name, queue in iter_resources("AWS::SQS::Queue"):
        if queue.get("KmsMasterKeyId"):
            services |= {service for service, _ in senders(piece, name)}
    for _, _, alarm in iter_resources("AWS::CloudWatch::Alarm"):
        if alarm.get("AlarmActions"):
            services.add("cloudwatch.amazonaws.com")
    return services


# --- what make iam-report derives, because nothing here enforces it ---


@pytest.mark.parametrize("piece", PIECES)
def test_what_the_resources_of_a_template_need_is_granted(piece: Piece):
    assert iam_report.unmet(piece, list(iam_report.granted(piece))) == []


@pytest.mark.parametrize("piece", PIECES)
def test_no_needed_grant_can_be_taken_away_unseen(piece: Piece):
    granted = list(iam_report.granted(piece))
    for need in iam_report.needs(piece):
        if need.why != iam_report.BY_THE_KEY:
            without = [grant for grant in granted if not need.met_by(grant)]
            assert need in iam_report.unmet(piece, without)


def nothing_at(value: object, path: str = "") -> list[str]:
    """Empty list items and values in a template."""
    if value is None:
        return [path]
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, inner in items for found in nothing_at(inner, f"{path}/{key}")]


@pytest.mark.parametrize("piece", PIECES)
def test_no_policy_has_an_empty_place(piece: Piece):
    found = nothing_at(piece.source["Resources"])
    # A parameter of an EventBridge rule or a document may be null on purpose; a part of a policy never is.
    assert [path for path in found if "Polic" in path or "Statement" in path] == []

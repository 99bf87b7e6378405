"""The permissions between services that the local cloud does not enforce, from the templates.

MiniStack enforces the roles of functions, of integrations and the queue policies for SNS. It does not look at what lets a
service call another (``make parity``), so a missing permission would show on AWS only; these tests look.
"""

import re

import pytest

from local.campaigns import iam_needs
from model.grants import as_list, role_grants, senders, statements, trusted
from model.templates import Piece, iter_resources, name_of, pieces
from tests.templates.policies import PIECES

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


def texts_under(value: object, key: str) -> list[str]:
    """Every text under ``key`` at any depth."""
    if isinstance(value, dict):
        here = [value[key]] if isinstance(value.get(key), str) else []
        return here + [text for inner in value.values() for text in texts_under(inner, key)]
    return [text for inner in value for text in texts_under(inner, key)] if isinstance(value, list) else []


@pytest.mark.parametrize("piece", PIECES)
def test_a_role_trusts_exactly_who_assumes_it(piece: Piece):
    users: dict[str, set[str]] = {}
    for resource in piece.resources.values():
        for (kind, key), service in ASSUMED_BY.items():
            if resource["Type"] == kind:
                for role in texts_under(resource["Properties"], key):
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
        ends = {target["Arn"], *texts_under(target.get("DeadLetterConfig", {}), "Arn")}
        granted = role_grants(piece, target["RoleArn"])
        assert {resource for action, resource in granted if not action.startswith("kms:")} == ends


@pytest.mark.parametrize("piece", PIECES)
def test_a_subscription_may_deliver(piece: Piece):
    """To its queue and to its dead letters."""
    for subscription in piece.of_type("AWS::SNS::Subscription").values():
        if subscription["Protocol"] == "sqs":
            ends = [
                subscription["Endpoint"],
                *texts_under(subscription.get("RedrivePolicy", {}), "deadLetterTargetArn"),
            ]
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
        assert {name_of(function) for function in texts_under(wiring, "Function")} <= invocable
        for queue in texts_under(wiring, "Queue"):
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


# --- permissions that make iam-report derives, because the local cloud does not enforce them ---


@pytest.mark.parametrize("piece", PIECES)
def test_every_permission_that_resources_need_is_granted(piece: Piece):
    assert iam_needs.unmet(piece, list(iam_needs.grants(piece))) == []


@pytest.mark.parametrize("piece", PIECES)
def test_a_missing_grant_is_reported(piece: Piece):
    granted = list(iam_needs.grants(piece))
    for need in iam_needs.needs(piece):
        if need.reason != iam_needs.ENCRYPTED_OBJECTS:
            without = [grant for grant in granted if not need.met_by(grant)]
            assert need in iam_needs.unmet(piece, without)

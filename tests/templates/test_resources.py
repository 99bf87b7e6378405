"""The rules of CONTRIBUTING.md for what a template declares."""

import json
import re
from typing import Any

import pytest

from apigw_executor.document import Operation
from login import clients
from model.grants import as_list
from model.settings import ROOT
from model.templates import Piece, iter_resources, name_of, pieces
from orders.clients import sequences
from setpieces import aws

# Tables whose loss costs nothing: no point-in-time recovery.
MADE_ANEW = {("partners", "Table"): "simulators' data is seeded, or generated on request"}

UNWATCHED = {"partners": "simulators fail or are slow on request"}
WITHOUT_DASHBOARD = {
    "shop": "foundation has the overview",
    "audit": "nothing happens in it that has a metric",
    "delivery": "nothing runs in it",
}

# APIs whose traces would contain secrets; those of their functions do not.
UNTRACED = {"vouchers": "a segment of API Gateway holds the whole address, and with it codes and tokens"}


def operations() -> list[Any]:
    return [
        pytest.param(piece, operation, id=f"{piece.service} {operation.method} {path}")
        for piece in pieces().values()
        for document in piece.apis.values()
        for path, methods in document.resources.items()
        for operation in methods.values()
    ]


def resource_params(*types: str) -> list[Any]:
    """Every resource of these types, as a test parameter."""
    return [
        pytest.param(piece, name, resource, id=f"{piece.service} {name}")
        for piece, name, resource in iter_resources(*types)
    ]


# --- queues ---


def dead_letter_queues(piece: Piece) -> set[str]:
    """What queues, rules, subscriptions and functions of a template name as their dead letters."""
    named = re.findall(
        r"'(?:deadLetterTargetArn|DeadLetterConfig|OnFailure)': (?:\{'\w+': )?'([^']+)'", str(piece.resources)
    )
    return set(map(name_of, named))


@pytest.mark.parametrize(("piece", "name", "queue"), resource_params("AWS::SQS::Queue"))
def test_a_queue_has_dead_letters_or_holds_some(piece: Piece, name: str, queue: dict[str, Any]):
    assert "RedrivePolicy" in queue or name in dead_letter_queues(piece)


@pytest.mark.parametrize(("piece", "name", "queue"), resource_params("AWS::SQS::Queue"))
def test_dead_letters_raise_an_alarm_and_are_kept_for_two_weeks(piece: Piece, name: str, queue: dict[str, Any]):
    if name in dead_letter_queues(piece):
        assert queue["MessageRetentionPeriod"] == 1_209_600
        assert ("ApproximateNumberOfMessagesVisible", name) in {
            (alarm.get("MetricName"), dimension["Value"])
            for alarm in piece.of_type("AWS::CloudWatch::Alarm").values()
            for dimension in alarm.get("Dimensions", [])
        }


@pytest.mark.parametrize(("piece", "name", "queue"), resource_params("AWS::SQS::Queue", "AWS::SNS::Topic"))
def test_queues_and_topics_are_encrypted(piece: Piece, name: str, queue: dict[str, Any]):
    assert queue.get("KmsMasterKeyId") or queue.get("SqsManagedSseEnabled")


@pytest.mark.parametrize(("piece", "name", "source"), resource_params("AWS::Lambda::EventSourceMapping"))
def test_a_consumer_reports_failed_items_and_limits_its_concurrency(piece: Piece, name: str, source: dict[str, Any]):
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    queue = piece.of_type("AWS::SQS::Queue").get(name_of(source["EventSourceArn"]))
    if not queue:
        assert source["DestinationConfig"]["OnFailure"]["Destination"]
        assert source["ParallelizationFactor"]
        return
    assert source["ScalingConfig"]["MaximumConcurrency"] >= 2
    timeout = piece.of_type("AWS::Lambda::Function")[name_of(source["FunctionName"])]["Timeout"]
    assert queue["VisibilityTimeout"] >= 6 * timeout + source.get("MaximumBatchingWindowInSeconds", 0)


@pytest.mark.parametrize(
    ("piece", "name", "alarm"), resource_params("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm")
)
def test_an_alarm_has_an_action_and_a_runbook(piece: Piece, name: str, alarm: dict[str, Any]):
    assert alarm["AlarmActions"]
    description = alarm["AlarmDescription"]
    runbook = re.search(r"; runbook (docs/runbooks/[a-z-]+\.md)\.$", description)
    assert runbook, f"{description!r} does not lead to a runbook"
    assert (ROOT / runbook[1]).exists()


def test_every_api_has_alarms_for_errors_and_latency():
    for piece, name, _ in iter_resources("AWS::ApiGateway::Stage"):
        watched = {
            alarm["MetricName"]
            for alarm in piece.of_type("AWS::CloudWatch::Alarm").values()
            if alarm["Namespace"] == "AWS/ApiGateway"
        }
        assert piece.service in UNWATCHED or watched >= {"5XXError", "Latency"}, (piece.service, name)


def test_every_set_piece_has_a_dashboard_that_shows_something():
    for service, piece in pieces().items():
        dashboards = [json.loads(one["DashboardBody"]) for one in piece.of_type("AWS::CloudWatch::Dashboard").values()]
        if service not in WITHOUT_DASHBOARD:
            assert dashboards, service
        for dashboard in dashboards:
            assert dashboard["widgets"]
            assert all(widget["properties"]["metrics"] for widget in dashboard["widgets"])


# --- data ---


@pytest.mark.parametrize(("piece", "name", "table"), resource_params("AWS::DynamoDB::Table"))
def test_a_table_is_encrypted_restorable_and_declares_its_deletion_policy(
    piece: Piece, name: str, table: dict[str, Any]
):
    assert table["SSESpecification"]["SSEEnabled"]
    assert table["SSESpecification"]["KMSMasterKeyId"]
    if (piece.service, name) not in MADE_ANEW:
        assert table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"]
    assert {"DeletionPolicy", "UpdateReplacePolicy"} <= set(piece.resources[name])


# Resource type: the type of its policies, and the property that names the resource.
POLICIES = {
    "AWS::S3::Bucket": ("AWS::S3::BucketPolicy", "Bucket"),
    "AWS::SQS::Queue": ("AWS::SQS::QueuePolicy", "Queues"),
    "AWS::SNS::Topic": ("AWS::SNS::TopicPolicy", "Topics"),
}


def own_policies(piece: Piece, name: str) -> list[dict[str, Any]]:
    """The documents of the policies of a bucket, queue or topic."""
    kind, names = POLICIES[piece.resources[name]["Type"]]
    return [
        policy["PolicyDocument"]
        for policy in piece.of_type(kind).values()
        if name in map(name_of, as_list(policy[names]))
    ]


@pytest.mark.parametrize(("piece", "name", "resource"), resource_params(*POLICIES))
def test_buckets_queues_and_topics_require_tls(piece: Piece, name: str, resource: dict[str, Any]):
    """By one policy: of two, CloudFormation would keep the one that it wrote last."""
    (document,) = own_policies(piece, name)
    (tls,) = [one for one in document["Statement"] if one["Effect"] == "Deny"]
    assert tls["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert tls["Principal"] == "*"
    # All that a topic's own policy can be asked for; on a bucket, of what is in it as well.
    service = piece.resources[name]["Type"].split("::")[1].lower()
    assert tls["Action"] == ("sns:Publish" if service == "sns" else f"{service}:*")
    resources = [one for one in as_list(tls["Resource"]) if name_of(one.removesuffix("/*")) == name]
    assert len(resources) == (2 if service == "s3" else 1)


def test_buckets_are_encrypted_and_private():
    for _, name, bucket in iter_resources("AWS::S3::Bucket"):
        assert bucket["BucketEncryption"], name
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}, name


@pytest.mark.parametrize(("piece", "name", "group"), resource_params("AWS::Logs::LogGroup"))
def test_a_log_group_has_a_retention_and_is_encrypted(piece: Piece, name: str, group: dict[str, Any]):
    assert group["RetentionInDays"]
    assert group["KmsKeyId"]


# --- functions ---


@pytest.mark.parametrize(("piece", "name", "function"), resource_params("AWS::Lambda::Function"))
def test_a_function_is_named_traced_logged_and_has_a_sample_event(piece: Piece, name: str, function: dict[str, Any]):
    package, handlers, function_name, attribute = function["Handler"].split(".")
    source = piece.source["Resources"][name]["Properties"]
    # A template that is nested more than once says of its functions which one they are of.
    which = "-product" if "FeedType" in piece.source["Parameters"] else ""
    assert function["FunctionName"] == f"setpieces-local-{piece.service}-{function_name.replace('_', '-')}{which}"
    assert (package, handlers, attribute) == (piece.handlers[name].parts[-3], "handlers", "handler")
    assert piece.handlers[name].exists()
    assert function["TracingConfig"] == {"Mode": "Active"}
    # SAM's default of 3 s, or any other unintended value.
    assert "Timeout" in source or "Timeout" in piece.source["Globals"]["Function"]
    # By reference: the group is then deleted after the function, which would otherwise make it again, without end or key.
    group = source["LoggingConfig"]["LogGroup"]["Ref"]
    assert piece.of_type("AWS::Logs::LogGroup")[group]["LogGroupName"] == f"/aws/lambda/{function['FunctionName']}"
    json.loads((ROOT / "events" / piece.service / f"{function_name}.json").read_text())


@pytest.mark.parametrize(
    ("service", "name", "seconds"),
    [
        pytest.param("login", "CreateSessionFunction", clients.CALL_SECONDS, id="a failing bus prevents no sign-in"),
        pytest.param("orders", "SubmitOrderFunction", sequences.TIMEOUT_SECONDS, id="a table's silence is a 503"),
    ],
)
def test_a_functions_timeout_outlasts_an_unanswered_aws_call(service: str, name: str, seconds: float):
    """In the fault campaign functions with 5 s timed out before their response."""
    config: Any = aws.CONFIG
    silence = config.retries["total_max_attempts"] * config.read_timeout
    cold_start = 2
    assert pieces()[service].of_type("AWS::Lambda::Function")[name]["Timeout"] >= seconds + silence + cold_start


# --- APIs ---


def test_an_api_whose_policy_changes_is_deployed_again():
    """API Gateway applies a resource policy with the next deployment, and SAM makes one when the API's document changes."""
    apis = [
        (piece.service, api["Properties"])
        for piece in pieces().values()
        for api in piece.source["Resources"].values()
        if api["Type"] == "AWS::Serverless::Api" and "Policy" in api["Properties"]
    ]
    assert apis
    assert [service for service, api in apis if not api.get("AlwaysDeploy")] == []


@pytest.mark.parametrize(("piece", "operation"), operations())
def test_a_method_declares_its_authorization(piece: Piece, operation: Operation):
    """A public method declares `security: []` explicitly. Preflights carry no credentials."""
    body = next(iter(piece.of_type("AWS::ApiGateway::RestApi").values()))["Body"]
    item = body["paths"][operation.resource_path]
    declared = item.get(operation.method.lower()) or item["x-amazon-apigateway-any-method"]
    guarded = operation.iam or operation.authorizer or operation.api_key_required
    assert guarded or declared.get("security") == [] or operation.method == "OPTIONS"


@pytest.mark.parametrize(("piece", "operation"), operations())
def test_a_method_validates_and_passes_nothing_through(piece: Piece, operation: Operation):
    assert operation.integration
    assert operation.integration.passthrough == "never"
    if operation.models:
        assert operation.validates_body
    if any(parameter.required for parameter in operation.parameters) and operation.method not in ("ANY", "OPTIONS"):
        assert operation.validates_parameters


@pytest.mark.parametrize(("piece", "operation"), operations())
def test_a_model_refuses_unknown_fields(piece: Piece, operation: Operation):
    """Members that a producer defines are excepted explicitly."""
    schemas = next(iter(piece.apis.values())).schemas
    for model in operation.models.values():
        for schema in objects(model, schemas):
            declared = schema.get("additionalProperties")
            assert declared is False or (declared is True and "properties" not in schema)


def objects(schema: Any, schemas: Any) -> list[dict[str, Any]]:
    """The object schemas of a model, however deep."""
    if "$ref" in schema:
        target = schemas
        for step in schema["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        return objects(target, schemas)
    inner = [*schema.get("properties", {}).values(), *as_list(schema.get("items", []))]
    here = [schema] if schema.get("type") == "object" else []
    return here + [nested for item in inner for nested in objects(item, schemas)]


@pytest.mark.parametrize(("piece", "name", "stage"), resource_params("AWS::ApiGateway::Stage"))
def test_a_stage_limits_traces_and_logs_in_json(piece: Piece, name: str, stage: dict[str, Any]):
    assert stage["TracingEnabled"] or piece.service in UNTRACED
    whole = [setting for setting in stage["MethodSettings"] if setting["HttpMethod"] == "*"]
    assert whole[0]["ThrottlingRateLimit"] > 0
    assert whole[0]["ThrottlingBurstLimit"] > 0


# The caller of the request: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-variables-for-access-logging.html
ATTRIBUTION = {
    "request_id": "$context.requestId",
    "ip": "$context.identity.sourceIp",
    "principal": "$context.authorizer.principalId",
    "caller": "$context.identity.caller",
    "status": "$context.status",
}
# Path parameters that open what they name: nothing may log them.
SECRET_PARAMETERS = {"basket_id", "code", "token"}


@pytest.mark.parametrize(("piece", "name", "stage"), resource_params("AWS::ApiGateway::Stage"))
def test_an_access_log_identifies_the_caller_and_has_no_secret(piece: Piece, name: str, stage: dict[str, Any]):
    logged = json.loads(stage["AccessLogSetting"]["Format"])
    assert logged.items() >= ATTRIBUTION.items()
    (api,) = piece.of_type("AWS::ApiGateway::RestApi").values()
    parameters = set(re.findall(r"{(\w+)}", " ".join(api["Body"]["paths"])))
    secret = "$context.path" in logged.values() and parameters & SECRET_PARAMETERS
    assert not secret
    assert {"$context.path", "$context.resourcePath"} & set(logged.values())


@pytest.mark.parametrize(("piece", "name", "stage"), resource_params("AWS::ApiGateway::Stage"))
def test_a_stage_is_behind_the_web_acl(piece: Piece, name: str, stage: dict[str, Any]):
    (association,) = piece.of_type("AWS::WAFv2::WebACLAssociation").values()
    assert association["ResourceArn"].endswith(f"/restapis/Api/stages/{name}")
    assert association["WebACLArn"] == "WebAclArn"


@pytest.mark.parametrize(("piece", "name", "api"), resource_params("AWS::ApiGateway::RestApi"))
def test_an_api_is_named_after_its_service(piece: Piece, name: str, api: dict[str, Any]):
    assert api["Name"] == f"setpieces-local-{piece.service}"


@pytest.mark.parametrize(("piece", "name", "machine"), resource_params("AWS::StepFunctions::StateMachine"))
def test_a_workflow_is_traced(piece: Piece, name: str, machine: dict[str, Any]):
    assert machine["TracingConfiguration"]["Enabled"] or machine.get("StateMachineType") == "EXPRESS"


# --- concurrency ---


def test_no_function_reserves_concurrency():
    """A new account has a quota of 10 concurrent executions, and Lambda refuses to reserve any of the last 100.

    https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html
    """
    functions = list(iter_resources("AWS::Serverless::Function", "AWS::Lambda::Function"))
    assert functions
    assert not [
        (piece.service, name) for piece, name, properties in functions if "ReservedConcurrentExecutions" in properties
    ]

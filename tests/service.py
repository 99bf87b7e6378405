"""A service as its template deploys it, over moto: tables with their indexes, queues, buckets, topics, keys, state machines.

    vouchers = service("vouchers")                        # the fixture of tests/unit/conftest.py
    vouchers.call("create_batch", {"count": 1})           # behind the API: a Response
    vouchers.deliver("notify_requester", message)         # behind a queue: the messages that stay on it
    vouchers.invoke("sweep_batches")                      # by a schedule or a workflow: the handler's result

A function runs with the environment variables and the time-out of its template, and with no others. Code of the service that
a test calls itself has the variables on which the service's functions agree; ``acting_as`` gives it those of one function.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple
from unittest import mock

import boto3
from moto import mock_aws
from moto.core import DEFAULT_ACCOUNT_ID

from model.settings import ACCOUNT_ID, REGION, ROOT, STAGE
from model.templates import Piece, definition, name_of, pieces
from setpieces import aws, parameters
from setpieces.dynamodb_types import from_item, to_item
from tests import deployed
from tests.lambda_events import lambda_context, rest_event, scheduled_event, sqs_event

CREDENTIALS = {"AWS_DEFAULT_REGION": REGION, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}


class Response(NamedTuple):
    """What a function behind an API answers; ``body`` is parsed, None if it is empty. Header names as the function has them."""

    status: int
    headers: dict[str, str]
    body: Any


class Message(NamedTuple):
    """A message of a queue."""

    body: str
    attributes: dict[str, str]
    group_id: str | None = None

    def json(self) -> Any:
        return json.loads(self.body)


class Cloud:
    """What is made of the templates in one moto; a resource is made when it is first referred to."""

    def __init__(self, monkeypatch: Any) -> None:
        self._monkeypatch = monkeypatch
        self._resources: dict[str, tuple[str, str]] = {}
        self._services: list[Service] = []

    def service(self, name: str, **variables: str) -> "Service":
        """The service of template ``name``; ``variables`` replace environment variables of its functions."""
        piece = pieces()[name]
        for logical_id in piece.of_type("AWS::DynamoDB::Table", "AWS::SQS::Queue"):
            self.resource(piece, logical_id)
        for parameter in piece.of_type("AWS::SSM::Parameter").values():
            boto3.client("ssm").put_parameter(
                Name=parameter["Name"], Value=self.value(piece, parameter["Value"]), Type=parameter["Type"]
            )
        service = Service(self, piece, variables)
        self._services.append(service)
        for variable, value in service.common_variables().items():
            self._monkeypatch.setenv(variable, value)
        return service

    def value(self, piece: Piece, placeholder: Any) -> str:
        """The name, URL or ARN of the resource that ``placeholder`` stands for; ``placeholder`` if it is no resource."""
        owner, value = deployed.origin(piece, placeholder)
        if name_of(value) not in owner.resources or "://" in value:
            return str(value).replace(f":{ACCOUNT_ID}:", f":{DEFAULT_ACCOUNT_ID}:")
        reference, arn = self.resource(owner, name_of(value))
        return arn if str(value).startswith("arn:") else reference

    def resource(self, piece: Piece, logical_id: str) -> tuple[str, str]:
        """(what ``Ref`` returns, ARN) of a resource."""
        name = f"{piece.service}.{logical_id}"
        if name not in self._resources:
            resource = piece.resources[logical_id]
            make = _MAKERS.get(resource["Type"], _placeholder_name)
            self._resources[name] = make(self, piece, logical_id, resource["Properties"])
        return self._resources[name]

    @contextmanager
    def environment(self, variables: Mapping[str, str]) -> Iterator[None]:
        """Within it, code has these environment variables and none of another function."""
        with mock.patch.dict(os.environ):
            for service in self._services:
                for name in service.variable_names:
                    os.environ.pop(name, None)
            os.environ.update(variables)
            yield


class Service:
    """A service of the cloud. A function is named by the module of its handler, as ``create_batch``.

    ``variables`` replace those of the template in each function that has them; a test may change them.
    """

    def __init__(self, cloud: Cloud, piece: Piece, variables: dict[str, str]) -> None:
        self._cloud, self._piece, self.variables = cloud, piece, variables
        self._environments = {
            logical_id: {
                name: cloud.value(piece, value)
                for name, value in deployed.Function(piece, logical_id).variables.items()
            }
            for logical_id in piece.of_type("AWS::Lambda::Function")
        }
        self.variable_names = {name for each in self._environments.values() for name in each}
        if unknown := variables.keys() - self.variable_names:
            raise KeyError(f"no function of {piece.service} has {sorted(unknown)}")

    # --- its functions ---

    def call(
        self,
        function: str,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        path: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        authorizer: Mapping[str, Any] | None = None,
    ) -> Response:
        """The answer to a request by the method and path that the API's document has for the function."""
        method, resource = deployed.route(self._function(function))
        for name, value in (path or {}).items():
            resource = resource.replace(f"{{{name}}}", value)
        event = rest_event(
            method,
            resource,
            body,
            headers=headers,
            path_parameters=path,
            query=query,
            authorizer=authorizer,
            service=self._piece.service,
        )
        response = self.invoke(function, event)
        return Response(
            response["statusCode"], response["headers"], json.loads(response["body"]) if response["body"] else None
        )

    def deliver(self, function: str, *messages: Any, **options: Any) -> list[str]:
        """The ids of the messages, ``m0`` and so on, that are to be delivered again; ``options`` as of ``sqs_event``."""
        result = self.invoke(function, sqs_event(*messages, **options))
        return [failure["itemIdentifier"] for failure in result["batchItemFailures"]]

    def invoke(self, function: str, event: Any = None, *, seconds: float | Callable[[], float] | None = None) -> Any:
        """The handler's result. ``event`` is by default a schedule's, ``seconds`` left are those of the function's time-out."""
        description = self._function(function)
        context = lambda_context(
            description.name, seconds=description.milliseconds / 1000 if seconds is None else seconds
        )
        with self.acting_as(function):
            return description.handler(scheduled_event() if event is None else event, context)

    @contextmanager
    def acting_as(self, function: str) -> Iterator[None]:
        """Code that a test calls itself has the environment variables of this function."""
        with self._cloud.environment(self.environment(function)):
            yield

    def environment(self, function: str) -> dict[str, str]:
        """The environment variables of a function."""
        return self._with_replaced(self._environments[self._function(function).logical_id])

    def common_variables(self) -> dict[str, str]:
        """The variables that have one value in all functions that have them."""
        values: dict[str, set[str]] = {}
        for environment in self._environments.values():
            for name, value in self._with_replaced(environment).items():
                values.setdefault(name, set()).add(value)
        return {name: each.pop() for name, each in values.items() if len(each) == 1}

    def _with_replaced(self, environment: Mapping[str, str]) -> dict[str, str]:
        return {name: self.variables.get(name, value) for name, value in environment.items()}

    def _function(self, name: str) -> deployed.Function:
        return deployed.function(self._piece.service, name)

    def publish(self, name: str, value: str) -> None:
        """Publish an address that another service owns, as ``edge/site-url``, in Parameter Store."""
        boto3.client("ssm").put_parameter(Name=f"/setpieces/{STAGE}/{name}", Value=value, Type="String")

    # --- what it stores and sends ---

    def name(self, logical_id: str) -> str:
        """What ``Ref`` returns: the name of a table or bucket, the URL of a queue, the ARN of a topic or state machine."""
        return self._cloud.resource(self._piece, logical_id)[0]

    def items(self, table: str) -> list[dict[str, Any]]:
        """Every item of the table with this logical id."""
        pages = aws.client("dynamodb").get_paginator("scan").paginate(TableName=self.name(table))
        return [from_item(item) for page in pages for item in page["Items"]]

    def put(self, table: str, item: Mapping[str, Any]) -> None:
        aws.client("dynamodb").put_item(TableName=self.name(table), Item=to_item(dict(item)))

    def object_keys(self, bucket: str, prefix: str = "") -> list[str]:
        """The keys of the objects in the bucket with this logical id."""
        listing = boto3.client("s3").list_objects_v2(Bucket=self.name(bucket), Prefix=prefix)
        return [entry["Key"] for entry in listing.get("Contents", [])]

    def read_object(self, bucket: str, key: str) -> bytes:
        """The object with this key in the bucket with this logical id."""
        content: bytes = boto3.client("s3").get_object(Bucket=self.name(bucket), Key=key)["Body"].read()
        return content

    def messages(self, queue: str) -> list[Message]:
        """The messages of the queue with this logical id, which are removed."""
        return receive_messages(self.name(queue))


def receive_messages(url: str) -> list[Message]:
    """The messages of a queue, which are removed."""
    sqs, messages = boto3.client("sqs"), []
    while received := sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], MessageSystemAttributeNames=["All"]
    ).get("Messages"):
        for message in received:
            attributes = {name: each["StringValue"] for name, each in message.get("MessageAttributes", {}).items()}
            group_id = message["Attributes"].get("MessageGroupId")
            messages.append(Message(message["Body"], attributes, group_id))
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return messages


# --- resources: each returns (what Ref returns, ARN) ---

Maker = Callable[[Cloud, Piece, str, Mapping[str, Any]], tuple[str, str]]


def _make_table(cloud: Cloud, piece: Piece, logical_id: str, properties: Mapping[str, Any]) -> tuple[str, str]:
    name = f"{piece.service}.{logical_id}"
    table = boto3.client("dynamodb").create_table(TableName=name, **deployed.tables(piece.service)[name])
    return name, table["TableDescription"]["TableArn"]


def _make_queue(cloud: Cloud, piece: Piece, logical_id: str, properties: Mapping[str, Any]) -> tuple[str, str]:
    sqs = boto3.client("sqs")
    names = ("FifoQueue", "ContentBasedDeduplication", "VisibilityTimeout")
    attributes = {name: str(properties[name]).lower() for name in names if name in properties}
    if "RedrivePolicy" in properties:
        policy = dict(properties["RedrivePolicy"])
        policy["deadLetterTargetArn"] = cloud.value(piece, policy["deadLetterTargetArn"])
        attributes["RedrivePolicy"] = json.dumps(policy)
    url = sqs.create_queue(QueueName=properties["QueueName"], Attributes=attributes)["QueueUrl"]
    return url, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def _make_bucket(cloud: Cloud, piece: Piece, logical_id: str, properties: Mapping[str, Any]) -> tuple[str, str]:
    name = f"{piece.service}-{logical_id}".lower()
    boto3.client("s3").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    return name, f"arn:aws:s3:::{name}"


def _make_topic(cloud: Cloud, piece: Piece, logical_id: str, properties: Mapping[str, Any]) -> tuple[str, str]:
    arn = boto3.client("sns").create_topic(Name=properties.get("TopicName", logical_id))["TopicArn"]
    return arn, arn


def _make_machine(cloud: Cloud, piece: Piece, logical_id: str, properties: Mapping[str, Any]) -> tuple[str, str]:
    machine = boto3.client("stepfunctions").create_state_machine(
        name=properties["StateMachineName"],
        definition=json.dumps(definition(piece, logical_id)),
        roleArn=f"arn:aws:iam::{DEFAULT_ACCOUNT_ID}:role/machine",
    )
    return machine["stateMachineArn"], machine["stateMachineArn"]


def _make_key(cloud: Cloud, piece: Piece, logical_id: str, properties: Mapping[str, Any]) -> tuple[str, str]:
    options = {name: properties[name] for name in ("KeySpec", "KeyUsage") if name in properties}
    key = boto3.client("kms").create_key(**options)["KeyMetadata"]
    return key["KeyId"], key["Arn"]


def _make_bus(cloud: Cloud, piece: Piece, logical_id: str, properties: Mapping[str, Any]) -> tuple[str, str]:
    arn = boto3.client("events").create_event_bus(Name=properties["Name"])["EventBusArn"]
    return properties["Name"], arn


def _placeholder_name(cloud: Cloud, piece: Piece, logical_id: str, properties: Mapping[str, Any]) -> tuple[str, str]:
    """A name and an ARN of a resource that tests do not use."""
    kind = piece.resources[logical_id]["Type"].split("::")[1].lower()
    return f"{piece.service}.{logical_id}", f"arn:aws:{kind}:{REGION}:{DEFAULT_ACCOUNT_ID}:{piece.service}.{logical_id}"


_MAKERS: dict[str, Maker] = {
    "AWS::DynamoDB::Table": _make_table,
    "AWS::Events::EventBus": _make_bus,
    "AWS::KMS::Key": _make_key,
    "AWS::S3::Bucket": _make_bucket,
    "AWS::SNS::Topic": _make_topic,
    "AWS::SQS::Queue": _make_queue,
    "AWS::StepFunctions::StateMachine": _make_machine,
}


@contextmanager
def cloud(monkeypatch: Any) -> Iterator[Cloud]:
    """An empty cloud; what functions have kept of another one, as clients and addresses, is forgotten before and after."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with ExitStack() as stack:
        forget_everything()
        stack.callback(forget_everything)
        stack.enter_context(mock_aws())
        yield Cloud(monkeypatch)


def forget_everything() -> None:
    """Empty the caches of functions and layer: a new process of Lambda has none of them."""
    for module in list(sys.modules.values()):
        if str(getattr(module, "__file__", "")).startswith(f"{ROOT}/functions/"):
            for value in vars(module).values():
                if hasattr(value, "cache_clear"):
                    value.cache_clear()
    parameters._values.clear()

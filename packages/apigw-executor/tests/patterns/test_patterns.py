"""Public patterns of API Gateway with direct integrations, each with its effect in a plain MiniStack."""

from __future__ import annotations

import io
import json
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from gateway_fakes import HANG

from apigw_executor import Request
from apigw_executor.throttles import Quota

FOLDER = Path(__file__).parents[2] / "examples"
EXAMPLES = {path.parent.name: yaml.safe_load(path.read_text()) for path in sorted(FOLDER.glob("*/example.yaml"))}
ARN = "arn:aws:{}:us-east-1:000000000000:{}"


def eventually(value: Callable[[], Any]) -> Any:
    """The first true value, or the last one."""
    deadline = time.monotonic() + HANG
    while not (current := value()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return current


def policy(principal: str, action: str, resource: str) -> str:
    allow = {"Effect": "Allow", "Principal": {"Service": principal}, "Action": action, "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [allow]})


def create_queue(sqs: Any, name: str, sender: str = "") -> str:
    """The URL of a new queue, to which the service `sender` may send."""
    attributes = {"Policy": policy(sender, "sqs:SendMessage", ARN.format("sqs", name))} if sender else {}
    return str(sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"])


def receive(sqs: Any, queue: str, count: int) -> list[dict[str, Any]]:
    """The messages of a queue, with their attributes, once there are `count` of them."""
    messages: list[dict[str, Any]] = []

    def received() -> bool:
        response = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, MessageAttributeNames=["All"])
        messages.extend(response.get("Messages", ()))
        return len(messages) >= count

    eventually(received)
    return messages


def create_function(emulator: Any, name: str, code: str) -> None:
    """A Python function whose file is `code` and whose role has no permissions."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as files:
        files.writestr("app.py", code)
    emulator.client("lambda").create_function(
        FunctionName=name,
        Runtime="python3.13",
        Handler="app.handler",
        Role=emulator.create_role(f"function-{name}", "lambda"),
        Timeout=30,
        Code={"ZipFile": archive.getvalue()},
    )


def test_dynamodb_items(example: Any) -> None:
    dynamodb = example.emulator.client("dynamodb")
    dynamodb.create_table(
        TableName="music",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("artist", "album")],
        KeySchema=[
            {"AttributeName": "artist", "KeyType": "HASH"},
            {"AttributeName": "album", "KeyType": "RANGE"},
        ],
    )
    example.run()
    tracks = {"L": [{"S": 'A "B"'}, {"S": "C"}]}
    assert dynamodb.scan(TableName="music")["Items"] == [
        {"artist": {"S": "Guns N' Roses"}, "album": {"S": "Live"}, "tracks": tracks}
    ]


def test_sqs_send_message(example: Any) -> None:
    sqs = example.emulator.client("sqs")
    queue = create_queue(sqs, "orders")
    example.run()
    messages = {
        message["Body"]: message["MessageAttributes"]["priority"]["StringValue"] for message in receive(sqs, queue, 2)
    }
    assert messages == {'{"sku": "a&b=c", "note": "25 % ü"}': "high & fast", '{"sku": "2"}': "normal"}


def test_sns_publish(example: Any) -> None:
    sns, sqs = example.emulator.client("sns"), example.emulator.client("sqs")
    topic = sns.create_topic(Name="news")["TopicArn"]
    queue = create_queue(sqs, "readers", "sns.amazonaws.com")
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=ARN.format("sqs", "readers"))
    example.run()
    notifications = [json.loads(message["Body"]) for message in receive(sqs, queue, 2)]
    assert {item["Message"]: item.get("Subject") for item in notifications} == {
        "Rain & wind": None,
        '{"text": "a & b"}': "Good news",
    }


def test_eventbridge_put_events(example: Any) -> None:
    events, sqs = example.emulator.client("events"), example.emulator.client("sqs")
    events.create_event_bus(Name="examples")
    queue = create_queue(sqs, "placed", "events.amazonaws.com")
    events.put_rule(Name="placed", EventBusName="examples", EventPattern='{"detail-type": ["OrderPlaced"]}')
    events.put_targets(
        Rule="placed", EventBusName="examples", Targets=[{"Id": "queue", "Arn": ARN.format("sqs", "placed")}]
    )
    example.run()
    received = [json.loads(message["Body"]) for message in receive(sqs, queue, 1)]
    assert [(event["source"], event["detail"]) for event in received] == [("shop", {"id": 7, "note": 'it\'s "here"'})]


def create_state_machine(emulator: Any, name: str, kind: str, states: dict[str, Any]) -> str:
    """The ARN of a new state machine whose role has no permissions."""
    machine = emulator.client("stepfunctions").create_state_machine(
        name=name,
        type=kind,
        definition=json.dumps({"StartAt": next(iter(states)), "States": states}),
        roleArn=emulator.create_role(f"states-{name}", "states"),
    )
    return str(machine["stateMachineArn"])


def test_stepfunctions_start_execution(example: Any) -> None:
    count = {"Type": "Pass", "Parameters": {"count.$": "States.ArrayLength($.items)"}, "End": True}
    machine = create_state_machine(example.emulator, "jobs", "STANDARD", {"Count": count})
    example.run()
    states = example.emulator.client("stepfunctions")
    execution = machine.replace(":stateMachine:", ":execution:") + ":first"
    done = eventually(lambda: states.describe_execution(executionArn=execution).get("output"))
    assert json.loads(done) == {"count": 2}
    assert [item["name"] for item in states.list_executions(stateMachineArn=machine)["executions"]] == ["first"]


def test_stepfunctions_start_sync_execution(example: Any) -> None:
    has_amount = {"Variable": "$.body.amount", "NumericGreaterThan": 0, "Next": "Price"}
    create_state_machine(
        example.emulator,
        "price",
        "EXPRESS",
        {
            "Check": {"Type": "Choice", "Choices": [has_amount], "Default": "Refuse"},
            "Price": {"Type": "Pass", "Parameters": {"gross.$": "$.body.amount", "by.$": "$.method"}, "End": True},
            "Refuse": {"Type": "Fail", "Error": "NoAmount"},
        },
    )
    example.run()


def test_kinesis_put_record(example: Any) -> None:
    kinesis = example.emulator.client("kinesis")
    kinesis.create_stream(StreamName="clicks", ShardCount=1)
    example.run()
    iterator = kinesis.get_shard_iterator(
        StreamName="clicks", ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON"
    )
    records = kinesis.get_records(ShardIterator=iterator["ShardIterator"])["Records"]
    assert [(record["PartitionKey"], record["Data"].decode()) for record in records] == [
        ("a", '{"page":"/ü"}'),
        ("b", "two"),
        ("c", "three"),
    ]


def test_firehose_put_record(example: Any) -> None:
    firehose, s3 = example.emulator.client("firehose"), example.emulator.client("s3")
    s3.create_bucket(Bucket="clicks")
    role = example.emulator.create_role("delivery", "firehose")
    example.emulator.permit(
        "delivery", [{"Effect": "Allow", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::clicks/*"}]
    )
    firehose.create_delivery_stream(
        DeliveryStreamName="clicks",
        ExtendedS3DestinationConfiguration={"RoleARN": role, "BucketARN": "arn:aws:s3:::clicks"},
    )
    example.run()
    objects = eventually(lambda: s3.list_objects_v2(Bucket="clicks").get("Contents"))
    lines = [s3.get_object(Bucket="clicks", Key=item["Key"])["Body"].read() for item in objects or ()]
    assert lines == [b'{"ip":"127.0.0.1","click":{"page":"/a"}}\n']


def test_s3_proxy(example: Any) -> None:
    s3 = example.emulator.client("s3")
    s3.create_bucket(Bucket="files")
    s3.create_bucket(Bucket="other")
    s3.put_object(Bucket="other", Key="a", Body=b"private")
    example.run()
    assert [item["Key"] for item in s3.list_objects_v2(Bucket="files")["Contents"]] == ["a/b c.png"]
    stored = s3.get_object(Bucket="files", Key="a/b c.png")
    assert (stored["Body"].read(), stored["ContentType"]) == (b"\x89PNG\r\n\x1a\n\x00\xff", "image/png")
    assert stored["Metadata"] == {"by": "gateway"}


PROXY = """
import json
def handler(event, context):
    if event["path"].endswith("/malformed"):
        return {"answer": 42}
    if event["path"].endswith("/image"):
        headers = {"Content-Type": event["headers"]["Content-Type"]}
        return {"headers": headers, "body": event["body"], "isBase64Encoded": event["isBase64Encoded"]}
    body = {"method": event["httpMethod"], "path": event["path"], "proxy": event["pathParameters"]["proxy"],
            "x": event["multiValueQueryStringParameters"]["x"], "body": event["body"]}
    return {"statusCode": 201, "multiValueHeaders": {"Set-Cookie": ["a=1", "b=2"]}, "body": json.dumps(body)}
"""


def test_lambda_proxy(example: Any) -> None:
    create_function(example.emulator, "proxy", PROXY)
    assert example.gateway().handle(Request("GET", "/a")).status == 500  # the function's policy does not allow it
    example.emulator.client("lambda").add_permission(
        FunctionName="proxy",
        StatementId="gateway",
        Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
        SourceArn=ARN.format("execute-api", "local/*"),
    )
    example.run()


QUOTE = """
def handler(event, context):
    print("quoting", event["sku"])
    if event["sku"] == "unknown":
        raise LookupError("Unknown sku " + event["sku"])
    if not event["sku"]:
        raise ValueError("No sku")
    return {"sku": event["sku"], "parts": list(event["sku"]), "caller": event["caller"]}
"""


def test_lambda_custom(example: Any) -> None:
    create_function(example.emulator, "quote", QUOTE)
    example.run()
    logs = example.emulator.client("logs")
    assert eventually(lambda: logs.filter_log_events(logGroupName="/aws/lambda/quote", filterPattern="later")["events"])


class Backend(BaseHTTPRequestHandler):
    """Responds with the request as JSON, 500 for a path that ends with `fail`."""

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        headers = {"client": self.headers.get("X-Client"), "via": self.headers.get("X-Via")}
        values = {"method": self.command, "target": self.path, **headers, "body": body}
        self.send_response(500 if self.path.endswith("fail") else 203 if self.command == "PUT" else 200)
        self.send_header("X-Server", "pets")
        self.end_headers()
        self.wfile.write(json.dumps(values).encode())

    do_PUT = do_GET

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def backend() -> Iterator[str]:
    """The host and port of a server on loopback."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Backend) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


def test_http_proxy(example: Any, backend: str) -> None:
    example.run(stage_variables={"backend": backend})


def test_http_mapped(example: Any, backend: str) -> None:
    example.run(stage_variables={"backend": backend})


def test_mock_cors(example: Any) -> None:
    example.run()


def test_api_key_usage_plan(example: Any) -> None:
    example.run(api_keys=["partner-a-key", "partner-b-key"], quota=Quota(1, "DAY"))


def test_request_validation(example: Any) -> None:
    example.run()


AUTHORIZER = """
def handler(event, context):
    effect = "Allow" if event["authorizationToken"] == "Bearer allow" else "Deny"
    statement = {"Effect": effect, "Action": "execute-api:Invoke", "Resource": event["methodArn"]}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    return {"principalId": "u-1", "policyDocument": policy, "context": {"plan": "gold"}}
"""


def test_lambda_authorizer(example: Any) -> None:
    create_function(example.emulator, "authorizer", AUTHORIZER)
    example.run()


def test_every_example_has_a_test() -> None:
    tests = {name.removeprefix("test_").replace("_", "-") for name in globals() if name.startswith("test_")}
    assert set(EXAMPLES) <= tests


def test_readme_lists_the_examples() -> None:
    rows = "".join(
        f"| [{name}](examples/{name}/openapi.yaml) | {table['pattern']} | {table['integration']} | {table['shows']} |\n"
        for name, table in EXAMPLES.items()
    )
    assert rows in (FOLDER.parent / "README.md").read_text()

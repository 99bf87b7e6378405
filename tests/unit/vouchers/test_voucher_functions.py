"""The functions against AWS as moto has it: what is stored, what happens twice, and what breaks in between."""

import contextlib
import importlib
import json
import re
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import boto3
import httpx
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError
from moto.core import DEFAULT_ACCOUNT_ID

from local.settings import ROOT
from setpieces import aws, signed_client
from setpieces.external import Answer, OutsideUnavailable
from tests.unit.common.test_setpieces_rest_api import CONTEXT
from tests.unit.interleave import meanwhile
from tests.unit.lost_answers import repeat
from tests.unit.tables import mocked_table
from tests.unit.vouchers.test_voucher_requests import GOOD
from vouchers.clients import keys as keys_module
from vouchers.clients import store
from vouchers.domain import codes as codes_module
from vouchers.domain import files as files_module
from vouchers.domain.codes import HALF, RADIX, make
from vouchers.domain.permutation import Permutation
from vouchers.repository import batches as batches_module
from vouchers.repository import chunks as chunks_module
from vouchers.repository import vouchers as vouchers_module
from vouchers.repository.batches import (
    CANCELLED,
    COMPLETE,
    FAILED,
    GENERATING,
    NOTIFYING,
    PENDING,
    STORING,
    BatchOver,
    advance,
    chunk_done,
    read,
    remember,
)

FIRST = 100_000_000
SENDER = "vouchers@example.com"
SLOW = SimpleNamespace(**vars(CONTEXT) | {"get_remaining_time_in_millis": lambda: 60_000})


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch):
    """Every table, the bucket, the key, the topic; ``leases`` is how often numbers were leased, ``leasing`` may break that."""
    state: Any = SimpleNamespace(leases=0, leasing=None, started=[])

    def lease(service: str, method: str, path: str, body: Any, **options: Any) -> Answer:
        assert (service, method, path) == ("sequences", "POST", "/v1/sequences/voucher/lease")
        if state.leasing:
            raise state.leasing
        state.leases += 1
        first = FIRST * state.leases
        return Answer(
            200, {"sequence": "voucher", "first": first, "last": first + body["count"] - 1, "count": body["count"]}
        )

    monkeypatch.setattr(signed_client, "call", lease)
    keys_module.code_key.cache_clear()
    with mocked_table(monkeypatch, "vouchers", "code") as state.dynamodb:
        tables = {"redemptions": "code", "downloads": "token_hash"}
        for name, key in tables.items():
            state.dynamodb.create_table(
                TableName=name,
                AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
                KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
                BillingMode="PAY_PER_REQUEST",
            )
        state.dynamodb.create_table(
            TableName="batches",
            AttributeDefinitions=[
                {"AttributeName": name, "AttributeType": "S"} for name in ("batch_id", "open", "updated_at")
            ],
            KeySchema=[{"AttributeName": "batch_id", "KeyType": "HASH"}],
            GlobalSecondaryIndexes=[
                {
                    "IndexName": "open",
                    "KeySchema": [
                        {"AttributeName": "open", "KeyType": "HASH"},
                        {"AttributeName": "updated_at", "KeyType": "RANGE"},
                    ],
                    "Projection": {"ProjectionType": "ALL"},
                }
            ],
            BillingMode="PAY_PER_REQUEST",
        )
        state.s3 = boto3.client("s3")
        state.s3.create_bucket(Bucket="files", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        key = boto3.client("kms").create_key(KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")["KeyMetadata"]["Arn"]
        trust = json.dumps({"Version": "2012-10-17", "Statement": []})
        role = boto3.client("iam").create_role(RoleName="signer", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
        machine = boto3.client("stepfunctions").create_state_machine(
            name="generate",
            definition=json.dumps({"StartAt": "End", "States": {"End": {"Type": "Succeed"}}}),
            roleArn=f"arn:aws:iam::{DEFAULT_ACCOUNT_ID}:role/machine",
        )["stateMachineArn"]
        boto3.client("ses").verify_email_identity(EmailAddress=SENDER)
        boto3.client("ssm").put_parameter(
            Name="/setpieces/local/vouchers/api-url", Value="https://shop.example/vouchers", Type="String"
        )
        for name, value in {
            "VOUCHERS_TABLE_NAME": "vouchers",
            "REDEMPTIONS_TABLE_NAME": "redemptions",
            "DOWNLOADS_TABLE_NAME": "downloads",
            "BATCHES_TABLE_NAME": "batches",
            "BUCKET_NAME": "files",
            "BUCKET_ARN": "arn:aws:s3:::files",
            "KMS_KEY_ARN": key,
            "CODE_KEY_ARN": key,
            "CODE_KEY_VERSION": "1",
            "SIGNER_ROLE_ARN": role,
            "STATE_MACHINE_ARN": machine,
            "TOPIC_ARN": boto3.client("sns").create_topic(Name="vouchers")["TopicArn"],
            "QUEUE_URL": boto3.client("sqs").create_queue(QueueName="notifications")["QueueUrl"],
            "DEAD_LETTER_QUEUE_URL": boto3.client("sqs").create_queue(QueueName="dlq")["QueueUrl"],
            "SENDER": SENDER,
            "LINK_SECONDS": "3600",
        }.items():
            monkeypatch.setenv(name, value)
        state.machine = machine
        yield state
    keys_module.code_key.cache_clear()


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks are ten times smaller: where several are needed, their number matters and not how many vouchers they hold."""
    monkeypatch.setattr(chunks_module, "CHUNK", chunks_module.CHUNK // 10)


def call(function: str, body: Any = None, *, key: str = "", query: Any = None, customer: str = "", **path: str):
    """(status, headers, body) of an API function."""
    event = {
        "httpMethod": "POST",
        "path": "/v1/things",
        "headers": {"content-type": "application/json"} | ({"idempotency-key": key} if key else {}),
        "pathParameters": path,
        "queryStringParameters": query,
        "requestContext": {
            "requestId": "r",
            "path": "/vouchers/v1/voucher-batches",
            "authorizer": {"principalId": "grace", "customer_id": customer},
        },
        "body": json.dumps(body) if body is not None else None,
    }
    answer = importlib.import_module(f"vouchers.handlers.{function}").handler(event, CONTEXT)
    return answer["statusCode"], answer["headers"], json.loads(answer["body"]) if answer["body"] else {}


def wanted(**changed: Any) -> dict[str, Any]:
    today = datetime.now(UTC).date()
    return GOOD | {"valid_from": str(today), "valid_to": str(today + timedelta(days=30))} | changed


def step(function: str, batch_id: str, **more: Any) -> Any:
    event = {"batch_id": batch_id, "correlation_id": "sample-1", **more}
    return importlib.import_module(f"vouchers.handlers.{function}").handler(event, SLOW)


def asked(**changed: Any) -> str:
    """The id of a batch that was asked for."""
    status, _, body = call("create_batch", wanted(**changed))
    assert (status, body["status"]) == (202, PENDING)
    return body["batch_id"]


def run(batch_id: str) -> None:
    """What the workflow does, but for the mail."""
    for chunk in step("lease_range", batch_id)["chunks"]:
        step("generate_chunk", batch_id, chunk=chunk)
    step("store_file", batch_id)


def made(**changed: Any) -> str:
    """The id of a batch that is complete."""
    batch_id = asked(**changed)
    run(batch_id)
    complete(batch_id)
    return batch_id


def complete(batch_id: str) -> None:
    boto3.client("dynamodb").update_item(
        TableName="batches",
        Key={"batch_id": {"S": batch_id}},
        UpdateExpression="SET #s = :s REMOVE #o",
        ExpressionAttributeNames={"#s": "status", "#o": "open"},
        ExpressionAttributeValues={":s": {"S": COMPLETE}},
    )


def file_of(world: Any, batch_id: str) -> bytes:
    return world.s3.get_object(Bucket="files", Key=f"release/{batch_id}.csv")["Body"].read()


def codes(world: Any, batch_id: str) -> list[str]:
    return file_of(world, batch_id).decode().split()


def keys(world: Any) -> list[str]:
    return [entry["Key"] for entry in world.s3.list_objects_v2(Bucket="files").get("Contents", [])]


def executions(world: Any) -> list[str]:
    return [
        e["name"] for e in boto3.client("stepfunctions").list_executions(stateMachineArn=world.machine)["executions"]
    ]


# --- asking for a batch ---


def test_a_batch_is_stored_and_started(world):
    status, headers, body = call("create_batch", wanted())
    assert (status, body["status"]) == (202, PENDING)
    assert headers["Location"] == f"/vouchers/v1/voucher-batches/{body['batch_id']}"
    assert executions(world) == [f"{body['batch_id']}-0"]
    execution = boto3.client("stepfunctions").list_executions(stateMachineArn=world.machine)["executions"][0]
    begun = boto3.client("stepfunctions").describe_execution(executionArn=execution["executionArn"])["input"]
    assert set(json.loads(begun)) == {"batch_id", "correlation_id"}


def test_the_same_key_creates_nothing_and_another_body_is_refused(world):
    first = call("create_batch", wanted(), key="k")
    again = call("create_batch", wanted(), key="k")
    assert again[0] == 202
    assert again[2]["batch_id"] == first[2]["batch_id"]
    assert call("create_batch", wanted(count=25), key="k")[2]["code"] == "IDEMPOTENCY_KEY_REUSED"
    assert len(world.dynamodb.scan(TableName="batches")["Items"]) == 1
    assert len(executions(world)) == 1


def test_a_batch_that_was_not_started_is_accepted_and_started_by_the_sweeper(world, monkeypatch):
    def down(batch: Any) -> None:
        raise EndpointConnectionError(endpoint_url="https://states")

    app = importlib.import_module("vouchers.handlers.create_batch")
    monkeypatch.setattr(app, "start", down)
    batch_id = asked()
    assert executions(world) == []
    assert sweep() == 0
    remember(batch_id, updated_at="2026-01-01T00:00:00.000Z")
    assert sweep() == 1
    assert executions(world) == [f"{batch_id}-1"]


def test_a_batch_that_stands_still_is_started_again_and_then_given_up(world):
    batch_id = asked()
    step("lease_range", batch_id)
    for attempt in (1, 2, 3):
        remember(batch_id, updated_at="2026-01-01T00:00:00.000Z")
        assert sweep() == 1
        assert f"{batch_id}-{attempt}" in executions(world)
        assert sweep() == 0
    remember(batch_id, updated_at="2026-01-01T00:00:00.000Z")
    assert sweep() == 1
    batch = read(batch_id)
    assert (batch["status"], batch["reason"]) == (FAILED, "STALLED")
    assert sweep() == 0


def test_a_batch_that_cannot_be_started_is_tried_every_minute_and_is_not_given_up(world, monkeypatch):
    """An attempt counts once it is started."""
    batch_id = asked()
    real = aws.client("stepfunctions").start_execution

    def down(**request: Any) -> None:
        raise EndpointConnectionError(endpoint_url="https://states")

    monkeypatch.setattr(aws.client("stepfunctions"), "start_execution", down)
    remember(batch_id, updated_at=minutes_ago(2))
    for _ in range(10):
        assert sweep() == 1
    assert (read(batch_id)["status"], read(batch_id)["attempts"]) == (PENDING, 0)
    monkeypatch.setattr(aws.client("stepfunctions"), "start_execution", real)
    assert sweep() == 1
    assert f"{batch_id}-1" in executions(world)
    assert read(batch_id)["attempts"] == 1


def test_a_batch_that_was_started_has_a_quarter_of_an_hour_although_it_is_still_pending(world):
    """Its first step may be throttled, and is repeated for minutes."""
    batch_id = asked()
    remember(batch_id, updated_at=minutes_ago(2))
    assert sweep() == 1
    for minutes in (2, 14):
        remember(batch_id, updated_at=minutes_ago(minutes))
        assert sweep() == 0
    remember(batch_id, updated_at=minutes_ago(16))
    assert sweep() == 1
    assert read(batch_id)["attempts"] == 2


def test_a_batch_that_cannot_be_started_does_not_keep_others_from_it(world, monkeypatch):
    batches = [asked() for _ in range(3)]
    for number, batch_id in enumerate(batches):
        remember(batch_id, updated_at=minutes_ago(5 - number))
    real = aws.client("stepfunctions").start_execution

    def refused(**request: Any) -> Any:
        if request["name"].startswith(batches[0]):
            raise ClientError({"Error": {"Code": "ThrottlingException"}}, "StartExecution")
        return real(**request)

    monkeypatch.setattr(aws.client("stepfunctions"), "start_execution", refused)
    assert sweep() == 3
    assert [read(batch_id)["attempts"] for batch_id in batches] == [0, 1, 1]


def test_a_sweep_that_broke_off_after_the_start_counts_it_in_the_next_one(world, monkeypatch):
    batch_id = asked()
    remember(batch_id, updated_at=minutes_ago(2))
    with monkeypatch.context() as broken:
        app = importlib.import_module("vouchers.handlers.sweep_batches")
        broken.setattr(app, "claim", lambda batch: 1 / 0)
        sweep()
    assert sweep() == 1
    assert sorted(executions(world)) == [f"{batch_id}-0", f"{batch_id}-1"]
    assert read(batch_id)["attempts"] == 1


def test_two_sweeps_at_once_start_a_batch_once(world, monkeypatch):
    batch_id = asked()
    remember(batch_id, updated_at=minutes_ago(2))
    swept = []
    meanwhile(monkeypatch, "StartExecution", lambda: swept.append(sweep()))
    assert (sweep(), swept) == (0, [1])
    assert sorted(executions(world)) == [f"{batch_id}-0", f"{batch_id}-1"]
    assert read(batch_id)["attempts"] == 1


def test_a_failure_that_was_not_announced_is_announced_by_the_next_sweep(world, monkeypatch):
    batch_id = asked()
    app = importlib.import_module("vouchers.handlers.sweep_batches")
    remember(batch_id, attempts=3, updated_at=minutes_ago(16))
    announced = []

    def broken(batch: Any) -> None:
        raise EndpointConnectionError(endpoint_url="https://sns")

    monkeypatch.setattr(app, "announce_failure", broken)
    assert sweep() == 1
    # The requester's mail is about the batch as it is: it has failed by the time that this is announced.
    monkeypatch.setattr(app, "announce_failure", lambda batch: announced.append(read(batch["batch_id"])["status"]))
    assert sweep() == 0
    remember(batch_id, updated_at=minutes_ago(2))
    assert sweep() == 1
    assert announced == [FAILED]
    remember(batch_id, updated_at=minutes_ago(60))
    assert sweep() == 0


def minutes_ago(minutes: int) -> str:
    return (datetime.now(UTC) - timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def sweep() -> int:
    return importlib.import_module("vouchers.handlers.sweep_batches").handler({}, CONTEXT)["swept"]


# --- making it ---


@pytest.mark.parametrize("count", [1, 24, 5_001])
def test_file_table_manifest_and_status_agree(world, count):
    batch_id = made(count=count)
    content = codes(world, batch_id)
    assert len(content) == len(set(content)) == count
    stored = {item["code"]["S"] for page in pages(world, "vouchers") for item in page["Items"]}
    assert stored == set(content)
    manifest = json.loads(world.s3.get_object(Bucket="files", Key=f"release/{batch_id}.json")["Body"].read())
    status, _, shown = call("show_batch", batch_id=batch_id)
    assert (status, shown["status"], shown["generated"], shown["count"]) == (200, COMPLETE, count, count)
    assert manifest == {
        "batch_id": batch_id,
        "count": count,
        "bytes": len(file_of(world, batch_id)),
        "sha256": shown["sha256"],
    }
    assert keys(world) == [f"release/{batch_id}.csv", f"release/{batch_id}.json"]
    assert "notify" not in shown


def pages(world: Any, table: str) -> Any:
    return world.dynamodb.get_paginator("scan").paginate(TableName=table)


def test_each_batch_has_a_salt_and_its_codes_need_it(world, monkeypatch):
    """The answer of KMS for the key's version, known to somebody, is not enough to make a batch's codes."""
    messages = []
    real = aws.client("kms").generate_mac

    def generate_mac(**request: Any) -> Any:
        messages.append(request["Message"].decode())
        return real(**request)

    monkeypatch.setattr(aws.client("kms"), "generate_mac", generate_mac)
    one, other = made(count=30), made(count=30)
    salts = [read(batch_id)["code_salt"] for batch_id in (one, other)]
    assert len(set(salts)) == 2
    assert sorted(messages) == sorted(["voucher-codes/1", *(f"voucher-codes/1/{salt}" for salt in salts)])
    permutation = Permutation(keys_module.code_key(1), RADIX, HALF)
    known = make(permutation, 1, read(one)["first"], 30)
    assert not set(known) & set(codes(world, one))
    numbers = [[codes_module.number(permutation, code) for code in each] for each in (codes(world, one), known)]
    assert numbers[0] == numbers[1]
    assert salts[0] not in json.dumps(call("show_batch", batch_id=one)[2])


def test_a_batch_from_before_there_were_salts_gets_the_codes_that_it_had(world):
    batch_id = asked(count=30)
    remember(batch_id, code_salt=None, updated_at=minutes_ago(0))
    run(batch_id)
    permutation = Permutation(keys_module.code_key(1), RADIX, HALF)
    assert codes(world, batch_id) == make(permutation, 1, read(batch_id)["first"], 30)


def test_a_run_that_broke_off_anywhere_ends_with_the_same_file(world, small_chunks):
    batch_id = asked(count=1_200)
    first, second, third = step("lease_range", batch_id)["chunks"]
    step("generate_chunk", batch_id, chunk=second)
    store.store(["3LEFTOVER"], batch_id, 0, 10)
    # A second run: the numbers stay, and what is done stays done.
    assert step("lease_range", batch_id)["chunks"] == [first, third]
    step("generate_chunk", batch_id, chunk=first)
    step("generate_chunk", batch_id, chunk=first)
    step("generate_chunk", batch_id, chunk=second)
    step("generate_chunk", batch_id, chunk=third)
    step("store_file", batch_id)
    file = file_of(world, batch_id)
    # A third, although all is done.
    assert step("lease_range", batch_id)["chunks"] == []
    step("store_file", batch_id)
    assert file_of(world, batch_id) == file
    assert world.leases == 1
    assert len(file.split()) == 1_200


def test_a_batch_whose_parts_have_expired_is_made_again_with_the_same_codes(world, small_chunks):
    """The bucket forgets parts after a day; a failed batch may be resumed later."""
    batch_id = asked(count=1_200)
    chunks = step("lease_range", batch_id)["chunks"]
    for chunk in chunks:
        step("generate_chunk", batch_id, chunk=chunk)
    kept = {key: world.s3.get_object(Bucket="files", Key=key)["Body"].read() for key in keys(world)}
    expired = sorted(kept)[1]
    world.s3.delete_object(Bucket="files", Key=expired)
    assert step("lease_range", batch_id)["chunks"] == [chunks[1]]
    step("generate_chunk", batch_id, chunk=chunks[1])
    assert world.s3.get_object(Bucket="files", Key=expired)["Body"].read() == kept[expired]
    step("store_file", batch_id)
    # Its file is stored, and its parts are removed on purpose.
    assert step("lease_range", batch_id)["chunks"] == []


def test_a_file_is_begun_and_completed_with_the_checksums_of_its_parts(world):
    """S3 takes parts with a checksum, which the SDK sends, for an upload of that algorithm, and asks for them at its end.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
    """
    sent: dict[str, dict[str, Any]] = {}

    def remember(params: dict[str, Any], model: Any, **_: Any) -> None:
        sent[model.name] = dict(params)

    for client in (aws.client("s3"), aws.patient_client("s3")):
        client.meta.events.register("before-parameter-build.s3", remember)
    run(asked(count=30))
    assert sent["CreateMultipartUpload"]["ChecksumAlgorithm"] == sent["UploadPart"]["ChecksumAlgorithm"] == "CRC32"
    assert [part["ChecksumCRC32"] for part in sent["CompleteMultipartUpload"]["MultipartUpload"]["Parts"]]


def test_parts_that_cannot_be_removed_at_first_are_when_the_step_is_repeated(world, monkeypatch):
    """The repeated step finds the file stored and goes on; the batch does not wait for the sweep of stalled batches."""
    batch_id = asked(count=30)
    app = importlib.import_module("vouchers.handlers.store_file")
    remove, failures = app.remove_parts, iter([OSError("throttled")])

    def fails_once(*arguments: Any) -> None:
        for failure in failures:
            raise failure
        remove(*arguments)

    monkeypatch.setattr(app, "remove_parts", fails_once)
    with pytest.raises(OSError, match="throttled"):
        run(batch_id)
    step("store_file", batch_id)
    assert batches_module.read(batch_id)["status"] == batches_module.NOTIFYING
    assert keys(world) == [f"release/{batch_id}.csv", f"release/{batch_id}.json"]


def test_a_cancelled_batch_is_not_stored_again(world):
    batch_id = asked(count=30)
    run(batch_id)
    batches_module.advance(batch_id, batches_module.CANCELLED)
    with pytest.raises(batches_module.BatchOver):
        step("store_file", batch_id)


@pytest.mark.parametrize(
    ("operation", "skip"),
    [("CreateMultipartUpload", 0), ("CompleteMultipartUpload", 0), ("PutObject", 0), ("UpdateItem", 1)],
)
@pytest.mark.parametrize("after", [False, True])
def test_a_batch_that_is_cancelled_while_its_file_is_stored_has_no_file(world, monkeypatch, operation, skip, after):
    batch_id = asked(count=30)
    for chunk in step("lease_range", batch_id)["chunks"]:
        step("generate_chunk", batch_id, chunk=chunk)
    answers = []

    def cancel() -> None:
        answers.append(call("cancel_batch", batch_id=batch_id)[0])

    with monkeypatch.context() as interleaved:
        meanwhile(interleaved, operation, cancel, after=after, skip=skip)
        # After the last write the step is over: then the cancellation finds the file.
        with contextlib.suppress(BatchOver):
            step("store_file", batch_id)
    assert answers == [200]
    assert not [key for key in keys(world) if key.startswith("release/")]


def test_a_step_that_broke_off_removes_the_file_of_a_cancelled_batch_when_it_is_repeated(world, monkeypatch):
    batch_id = asked(count=30)
    for chunk in step("lease_range", batch_id)["chunks"]:
        step("generate_chunk", batch_id, chunk=chunk)

    def breaks_off() -> None:
        call("cancel_batch", batch_id=batch_id)
        raise OSError("killed")

    with monkeypatch.context() as interleaved:
        meanwhile(interleaved, "PutObject", breaks_off, after=True)
        with pytest.raises(OSError, match="killed"):
            step("store_file", batch_id)
    # As stored by the attempt that broke off, after the cancellation had removed it.
    world.s3.put_object(Bucket="files", Key=f"release/{batch_id}.csv", Body=b"3LEFTOVER")
    with pytest.raises(BatchOver):
        step("store_file", batch_id)
    assert not [key for key in keys(world) if key.startswith("release/")]


def test_a_file_stays_when_another_run_has_ended_the_batch(world):
    batch_id = made(count=30)
    with pytest.raises(BatchOver):
        step("store_file", batch_id)
    assert f"release/{batch_id}.csv" in keys(world)


def test_numbers_are_leased_once_although_two_runs_ask(world, monkeypatch):
    batch_id = asked()
    app = importlib.import_module("vouchers.handlers.lease_range")
    real = app.signed_client.call

    def twice(*arguments: Any, **named: Any) -> Answer:
        batches_module.lease(batch_id, 7, 30)
        return real(*arguments, **named)

    monkeypatch.setattr(app.signed_client, "call", twice)
    assert step("lease_range", batch_id)["chunks"][0]["first"] == 7


def test_without_numbers_the_step_fails_by_a_name_of_its_own(world):
    batch_id = asked()
    world.leasing = OutsideUnavailable("sequences", "down")
    with pytest.raises(importlib.import_module("vouchers.handlers.lease_range").SequencesUnavailable):
        step("lease_range", batch_id)


def test_a_file_with_a_part_missing_a_line_is_not_stored(world, small_chunks):
    batch_id = asked(count=501)
    for chunk in step("lease_range", batch_id)["chunks"]:
        step("generate_chunk", batch_id, chunk=chunk)
    files_module.store_part(batch_id, 1, [])
    with pytest.raises(files_module.CountMismatch):
        step("store_file", batch_id)
    assert not [key for key in keys(world) if key.startswith("release/")]
    assert world.s3.list_multipart_uploads(Bucket="files").get("Uploads", []) == []


def test_what_the_table_leaves_unprocessed_is_written_again(world, monkeypatch):
    real, left = aws.patient_client("dynamodb").batch_write_item, [3, 1]

    def some(RequestItems: Any) -> Any:
        number = left.pop() if left else 0
        requests = RequestItems["vouchers"]
        real(RequestItems={"vouchers": requests[number:]})
        return {"UnprocessedItems": {"vouchers": requests[:number]} if number else {}}

    monkeypatch.setattr(aws.patient_client("dynamodb"), "batch_write_item", some)
    store.store([f"CODE{n}" for n in range(30)], "VB1", 0, 10)
    assert sum(page["Count"] for page in pages(world, "vouchers")) == 30


def test_what_the_table_refuses_as_a_whole_is_written_again(world, monkeypatch):
    real = aws.patient_client("dynamodb").batch_write_item
    refusals = [ClientError({"Error": {"Code": "ThrottlingException"}}, "BatchWriteItem")] * 3

    def busy(RequestItems: Any) -> Any:
        if refusals:
            raise refusals.pop()
        return real(RequestItems=RequestItems)

    monkeypatch.setattr(aws.patient_client("dynamodb"), "batch_write_item", busy)
    store.store([f"CODE{n}" for n in range(30)], "VB1", 0, 10)
    assert sum(page["Count"] for page in pages(world, "vouchers")) == 30


def test_a_table_that_takes_nothing_ends_the_step_in_time(world, monkeypatch):
    monkeypatch.setattr(
        aws.patient_client("dynamodb"), "batch_write_item", lambda RequestItems: {"UnprocessedItems": RequestItems}
    )
    with pytest.raises(store.StoreBusy):
        store.store(["CODE"], "VB1", 0, 0.2)


def test_a_cancelled_batch_ends_every_step(world, small_chunks):
    batch_id = asked(count=600)
    first, second = step("lease_range", batch_id)["chunks"]
    step("generate_chunk", batch_id, chunk=first)
    assert call("cancel_batch", batch_id=batch_id)[2]["status"] == CANCELLED
    with pytest.raises(BatchOver):
        step("generate_chunk", batch_id, chunk=second)
    with pytest.raises(BatchOver):
        chunk_done(batch_id, 1)
    with pytest.raises(BatchOver):
        step("store_file", batch_id)
    with pytest.raises(BatchOver):
        step("lease_range", batch_id)


ORDER = (PENDING, GENERATING, STORING, NOTIFYING, COMPLETE, FAILED, CANCELLED)


@pytest.mark.parametrize(
    ("to", "allowed"),
    [
        (GENERATING, {PENDING, GENERATING, STORING, NOTIFYING, FAILED}),
        (STORING, {GENERATING, STORING}),
        (NOTIFYING, {STORING, NOTIFYING}),
        (FAILED, {PENDING, GENERATING, STORING, NOTIFYING}),
        (CANCELLED, {PENDING, GENERATING, STORING, NOTIFYING, COMPLETE, FAILED}),
    ],
)
def test_a_status_follows_only_what_it_may_follow(world, to, allowed):
    for before in ORDER:
        batch_id = asked()
        remember(batch_id, status=before)
        moved = advance(batch_id, to)
        assert (moved is not None) == (before in allowed), before
        assert read(batch_id)["status"] == (to if moved else before)


def test_a_batch_that_nobody_knows_stays_unknown(world):
    assert advance("VB" + "0" * 24, GENERATING) is None
    remember("VB" + "0" * 24, notified_at="now")
    assert read("VB" + "0" * 24) is None


# --- looking at it, downloading it ---


def test_a_link_is_fresh_and_says_how_long_it_lasts(world):
    batch_id = made()
    download = call("show_batch", batch_id=batch_id, query={"link_seconds": "60"})[2]["download"]
    life = datetime.fromisoformat(download["expires_at"]) - datetime.now(UTC)
    assert timedelta(seconds=50) < life <= timedelta(seconds=61)
    assert "X-Amz-Expires=60" in download["url"]
    assert f"release/{batch_id}.csv" in download["url"]


def test_there_is_no_link_before_the_end_and_none_after_cancellation(world):
    batch_id = asked()
    status, headers, body = call("show_batch", batch_id=batch_id)
    assert (status, headers["Retry-After"], "download" in body) == (200, "1", False)
    run(batch_id)
    complete(batch_id)
    assert "download" in call("show_batch", batch_id=batch_id)[2]
    assert call("cancel_batch", batch_id=batch_id)[0] == 200
    assert call("cancel_batch", batch_id=batch_id)[2]["status"] == CANCELLED
    assert "download" not in call("show_batch", batch_id=batch_id)[2]
    assert f"release/{batch_id}.csv" not in keys(world)


def test_unknown_batches_are_not_found(world):
    for function in ("show_batch", "cancel_batch"):
        assert call(function, batch_id="VB" + "0" * 24)[2]["code"] == "BATCH_NOT_FOUND"
        assert call(function, batch_id="x")[0] == 400


def test_a_link_that_works_once_works_once(world):
    batch_id = made(one_time=True)
    url = call("show_batch", batch_id=batch_id)[2]["download"]["url"]
    api, _, token = url.rpartition("/")
    assert api == "https://shop.example/vouchers/v1/voucher-downloads"
    assert token not in json.dumps(world.dynamodb.scan(TableName="downloads")["Items"])
    status, headers, _ = call("exchange_link", token=token)
    assert status == 303
    assert "X-Amz-Expires=60" in httpx.URL(headers["Location"]).query.decode()
    assert call("exchange_link", token=token)[2]["code"] == "DOWNLOAD_NOT_FOUND"


def test_a_link_whose_use_the_sdk_had_to_repeat_works(world, monkeypatch: pytest.MonkeyPatch):
    batch_id = made(one_time=True)
    token = call("show_batch", batch_id=batch_id)[2]["download"]["url"].rpartition("/")[2]
    with monkeypatch.context() as lossy:
        repeat(lossy, aws.client("dynamodb"), "update_item")
        assert call("exchange_link", token=token)[0] == 303
    assert call("exchange_link", token=token)[0] == 404


def test_an_expired_unknown_or_malformed_token_leads_nowhere(world):
    batch_id = made(one_time=True)
    url = call("show_batch", batch_id=batch_id, query={"link_seconds": "1"})[2]["download"]["url"]
    item = world.dynamodb.scan(TableName="downloads")["Items"][0]
    world.dynamodb.put_item(TableName="downloads", Item=item | {"expires_at": {"N": "1"}})
    for token in (url.rpartition("/")[2], "A" * 43, "", "x" * 200):
        assert call("exchange_link", token=token)[0] == 404


# --- redeeming ---


def test_a_voucher_is_worth_something_once(world):
    code = codes(world, made())[0]
    assert call("show_voucher", code=code)[2] | {"valid_from": "", "valid_to": ""} == {
        "status": "ACTIVE",
        "value": 1000,
        "currency": "EUR",
        "valid_from": "",
        "valid_to": "",
    }
    order = {"order_number": "T000000001"}
    status, _, first = call("redeem_voucher", order, code=code.lower())
    assert (status, first["status"], first["value"]) == (201, "REDEEMED", 1000)
    assert call("redeem_voucher", order, code=f"{code[:4]}-{code[4:]}")[::2] == (200, first)
    assert call("redeem_voucher", {"order_number": "T000000002"}, code=code)[2]["code"] == "VOUCHER_REDEEMED"
    assert call("redeem_voucher", code=code)[0] == 409
    assert call("show_voucher", code=code)[2]["status"] == "REDEEMED"


def test_the_same_key_of_the_same_caller_is_the_same_redemption(world):
    code = codes(world, made())[0]
    assert call("redeem_voucher", {}, code=code, key="k", customer="C1")[0] == 201
    assert call("redeem_voucher", {}, code=code, key="k", customer="C1")[0] == 200
    assert call("redeem_voucher", {}, code=code, key="k", customer="C2")[0] == 409
    assert call("redeem_voucher", {}, code=code, key="other", customer="C1")[0] == 409


def test_a_voucher_is_not_redeemed_after_the_cancellation_of_its_batch_was_answered(world, monkeypatch):
    batch_id = made()
    code, other = codes(world, batch_id)[:2]
    answers = []
    meanwhile(monkeypatch, "TransactWriteItems", lambda: answers.append(call("cancel_batch", batch_id=batch_id)[0]))
    assert call("redeem_voucher", {"order_number": "T000000001"}, code=code)[2]["code"] == "VOUCHER_CANCELLED"
    assert answers == [200]
    assert vouchers_module.find_redemption(code) is None
    assert call("redeem_voucher", {"order_number": "T000000001"}, code=other)[2]["code"] == "VOUCHER_CANCELLED"


def test_a_cancellation_that_broke_off_is_completed_by_the_next_one(world, monkeypatch):
    """The status is entered first; redemptions that have read it before are refused once the cancellation is answered."""
    batch_id = made()
    code = codes(world, batch_id)[0]
    advance(batch_id, CANCELLED)
    assert call("cancel_batch", batch_id=batch_id)[0] == 200
    # As read by a request that began before the cancellation.
    monkeypatch.setattr(
        importlib.import_module("vouchers.handlers.redeem_voucher"),
        "read",
        lambda name: read(name) | {"status": COMPLETE},
    )
    assert call("redeem_voucher", code=code)[2]["code"] == "VOUCHER_CANCELLED"


@pytest.mark.parametrize(
    "sent", [{}, {"order_number": "T000000001"}, {"customer_id": "C1"}], ids=["nothing", "order", "customer"]
)
def test_a_redemption_whose_answer_the_sdk_has_lost_is_its_own(world, monkeypatch, sent):
    """Without an order and an Idempotency-Key only the attempt itself tells whose redemption it is."""
    code = codes(world, made())[0]
    with monkeypatch.context() as lossy:
        repeat(lossy, aws.client("dynamodb"), "transact_write_items")
        assert call("redeem_voucher", sent, code=code)[0] == 201
    assert call("redeem_voucher", {"order_number": "T000000002"}, code=code)[2]["code"] == "VOUCHER_REDEEMED"


@pytest.mark.parametrize("facts", [{"status": CANCELLED}, {"valid_to": "2020-01-01T00:00:00Z"}])
def test_a_redemption_that_is_repeated_too_late_is_answered_as_before(world, facts):
    batch_id = made()
    code = codes(world, batch_id)[0]
    order = {"order_number": "T000000001"}
    _, _, first = call("redeem_voucher", order, code=code)
    remember(batch_id, **facts)
    assert call("redeem_voucher", order, code=code)[::2] == (200, first)
    assert call("redeem_voucher", {"order_number": "T000000002"}, code=code)[0] == 409


CONFLICT = {
    "transact_write_items": {
        "Error": {"Code": "TransactionCanceledException"},
        "CancellationReasons": [{"Code": "TransactionConflict"}, {"Code": "None"}],
    },
    "put_item": {"Error": {"Code": "TransactionConflictException"}},
}


@pytest.mark.parametrize("operation", CONFLICT)
def test_a_transaction_in_conflict_with_another_one_is_made_again(world, monkeypatch, operation):
    """Redemptions of one batch, and its cancellation, may meet at a gate; the SDK repeats no conflict."""
    batch_id = made()
    code = codes(world, batch_id)[0]
    real, conflicts = getattr(aws.client("dynamodb"), operation), [ClientError(CONFLICT[operation], "Write")] * 2

    def in_conflict(**request: Any) -> Any:
        if conflicts:
            raise conflicts.pop()
        return real(**request)

    monkeypatch.setattr(aws.client("dynamodb"), operation, in_conflict)
    if operation == "put_item":
        assert call("cancel_batch", batch_id=batch_id)[0] == 200
    assert call("redeem_voucher", code=code)[0] == (409 if operation == "put_item" else 201)
    assert not conflicts


def test_a_redemption_takes_the_number_of_its_order_later_and_once(world, monkeypatch):
    code = codes(world, made())[0]
    name = {"order_number": "T000000001"}
    assert "order_number" not in call("redeem_voucher", {}, code=code, key="k")[2]
    assert call("redeem_voucher", name, code=code, key="other")[0] == 409
    status, _, redemption = call("redeem_voucher", name, code=code, key="k")
    assert (status, redemption["order_number"]) == (200, "T000000001")
    assert call("redeem_voucher", name, code=code, key="k")[::2] == (200, redemption)
    assert call("redeem_voucher", {}, code=code, key="k")[::2] == (200, redemption)


def test_a_key_redeems_a_voucher_for_one_order(world):
    code = codes(world, made())[0]
    assert call("redeem_voucher", {"order_number": "T000000001"}, code=code, key="k")[0] == 201
    second = call("redeem_voucher", {"order_number": "T000000002"}, code=code, key="k")
    assert (second[0], second[2]["code"]) == (409, "VOUCHER_REDEEMED")


def test_of_two_orders_that_name_a_redemption_at_once_one_does_and_the_other_is_refused(world, monkeypatch):
    code = codes(world, made())[0]
    call("redeem_voucher", {}, code=code, key="k")
    first = {"order_number": "T000000001"}
    meanwhile(monkeypatch, "UpdateItem", lambda: call("redeem_voucher", first, code=code, key="k"))
    second = call("redeem_voucher", {"order_number": "T000000002"}, code=code, key="k")
    assert (second[0], second[2]["code"]) == (409, "VOUCHER_REDEEMED")
    assert call("redeem_voucher", first, code=code, key="k")[0] == 200


# --- releasing ---


def release(code: str, order_number: str = "") -> Any:
    return call("release_voucher", code=code, query={"order_number": order_number} if order_number else None)


def test_a_voucher_that_was_redeemed_for_no_order_is_released_and_redeemed_again(world):
    code = codes(world, made())[0]
    call("redeem_voucher", {}, code=code, key="a basket that has changed since")
    assert release(code.lower())[0] == 204
    assert release(code)[0] == 204
    assert call("show_voucher", code=code)[2]["status"] == "ACTIVE"
    assert call("redeem_voucher", {"order_number": "T000000001"}, code=code, key="other")[0] == 201


def test_a_redemption_for_an_order_is_released_for_that_order_alone(world):
    code = codes(world, made())[0]
    call("redeem_voucher", {"order_number": "T000000001"}, code=code)
    for asked in ("", "T000000002"):
        status, _, problem = release(code, asked)
        assert (status, problem["code"]) == (409, "VOUCHER_REDEEMED")
        assert "T000000001" in problem["detail"]
    assert release(code, "T000000001")[0] == 204
    assert release(code, "T000000001")[0] == 204
    assert call("show_voucher", code=code)[2]["status"] == "ACTIVE"


def test_a_redemption_for_no_order_is_not_released_as_one_for_an_order(world):
    code = codes(world, made())[0]
    call("redeem_voucher", {}, code=code, key="k")
    status, _, problem = release(code, "T000000001")
    assert (status, problem["code"]) == (409, "VOUCHER_REDEEMED")
    assert call("show_voucher", code=code)[2]["status"] == "REDEEMED"


def test_an_unknown_voucher_and_an_invalid_order_number_release_nothing(world):
    assert release("22222222222223")[2]["code"] == "VOUCHER_NOT_FOUND"
    assert release(codes(world, made())[0], "T1")[0] == 400


def test_an_order_that_is_placed_while_its_voucher_is_released_redeems_it_anew(world, monkeypatch):
    code = codes(world, made())[0]
    name = {"order_number": "T000000001"}
    call("redeem_voucher", {}, code=code, key="k")
    meanwhile(monkeypatch, "UpdateItem", lambda: release(code))
    assert call("redeem_voucher", name, code=code, key="k")[0] == 201
    assert release(code)[0] == 409


def test_an_order_does_not_name_the_redemption_of_another_caller(world, monkeypatch):
    code = codes(world, made())[0]
    name = {"order_number": "T000000001"}
    call("redeem_voucher", {}, code=code, key="k")

    def released_and_redeemed_by_another() -> None:
        release(code)
        call("redeem_voucher", {}, code=code, key="other")

    meanwhile(monkeypatch, "UpdateItem", released_and_redeemed_by_another)
    assert call("redeem_voucher", name, code=code, key="k")[2]["code"] == "VOUCHER_REDEEMED"
    other = {"order_number": "T000000002"}
    assert call("redeem_voucher", other, code=code, key="other")[2]["order_number"] == "T000000002"


def test_an_order_that_was_named_at_this_moment_keeps_its_voucher(world, monkeypatch):
    code = codes(world, made())[0]
    call("redeem_voucher", {}, code=code, key="k")
    name = {"order_number": "T000000001"}
    meanwhile(monkeypatch, "DeleteItem", lambda: call("redeem_voucher", name, code=code, key="k"))
    assert release(code)[0] == 409
    assert call("show_voucher", code=code)[2]["status"] == "REDEEMED"


@pytest.mark.parametrize("order", ["", "T000000001"])
def test_a_release_whose_answer_the_sdk_has_lost_is_answered(world, monkeypatch, order):
    code = codes(world, made())[0]
    call("redeem_voucher", {"order_number": order} if order else {}, code=code, key="k")
    repeat(monkeypatch, aws.client("dynamodb"), "delete_item")
    assert release(code, order)[0] == 204


def test_making_a_chunk_again_does_not_undo_a_redemption(world):
    batch_id = made()
    code = codes(world, batch_id)[0]
    assert call("redeem_voucher", code=code)[0] == 201
    batch = read(batch_id)
    store.store(codes(world, batch_id), batch_id, batch["purge_at"], 10)
    assert call("redeem_voucher", code=code)[0] == 409


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({"status": CANCELLED}, "VOUCHER_CANCELLED"),
        ({"valid_from": "2099-01-01T00:00:00Z"}, "VOUCHER_NOT_YET_VALID"),
        ({"valid_to": "2020-01-01T00:00:00Z"}, "VOUCHER_EXPIRED"),
    ],
)
def test_vouchers_that_do_not_count(world, facts, code):
    batch_id = made()
    remember(batch_id, **facts)
    voucher = codes(world, batch_id)[0]
    status, _, problem = call("redeem_voucher", code=voucher)
    assert (status, problem["code"]) == (409, code)
    assert call("show_voucher", code=voucher)[2]["status"] == code.removeprefix("VOUCHER_")
    assert world.dynamodb.scan(TableName="redemptions")["Items"] == []


@pytest.mark.parametrize("status", [PENDING, GENERATING, STORING, FAILED])
def test_vouchers_of_a_batch_that_is_not_complete_are_not_found(world, status):
    batch_id = made()
    remember(batch_id, status=status)
    voucher = codes(world, batch_id)[0]
    assert call("show_voucher", code=voucher)[2]["code"] == "VOUCHER_NOT_FOUND"
    assert call("redeem_voucher", code=voucher)[0] == 404


def test_what_is_no_code_is_not_looked_for(world, monkeypatch):
    made()

    def never(**request: Any) -> None:
        raise AssertionError("a table was read")

    monkeypatch.setattr(aws.client("dynamodb"), "get_item", never)
    for code in ("ABC", "3YARV3TPEBPBV9", "%00", "a" * 500, "O0O0O0O0O0O0O0"):
        assert call("show_voucher", code=code)[0] == 404
        assert call("redeem_voucher", code=code)[0] == 404


# --- telling whoever asked ---


def notify(batch_id: str, outcome: str = "COMPLETE") -> list[Any]:
    """What the function leaves on the queue."""
    sample = json.loads((ROOT / "events" / "bus" / f"voucher.batch.{outcome.lower()}.json").read_text())
    sample["event"]["data"]["batch_id"] = batch_id
    record = {"messageId": "m", "receiptHandle": "h", "body": json.dumps(sample), "attributes": {}}
    app = importlib.import_module("vouchers.handlers.notify_requester")
    return app.handler({"Records": [record]}, CONTEXT)["batchItemFailures"]


@pytest.fixture
def mails(monkeypatch: pytest.MonkeyPatch, world: Any) -> Any:
    state: Any = SimpleNamespace(sent=[], failure=None)

    def send(**mail: Any) -> None:
        if state.failure:
            raise ClientError({"Error": {"Code": state.failure, "Message": "grace.sample@example.com"}}, "SendEmail")
        state.sent.append(mail)

    monkeypatch.setattr(aws.single_try_client("sesv2"), "send_email", send)
    return state


def test_one_mail_goes_to_whoever_asked(world, mails):
    batch_id = made()
    assert notify(batch_id) == []
    assert notify(batch_id) == []
    (mail,) = mails.sent
    assert (mail["FromEmailAddress"], mail["Destination"]) == (SENDER, {"ToAddresses": [GOOD["notify"]]})
    text = mail["Content"]["Simple"]["Body"]["Text"]["Data"]
    assert not [code for code in codes(world, batch_id) if code in text]
    (link,) = [line for line in text.splitlines() if line.startswith("http")]
    assert f"release/{batch_id}.csv" in link
    assert read(batch_id)["sha256"] in text
    assert "notified_at" in read(batch_id)


def test_a_failed_batch_is_told_of_and_a_cancelled_one_is_not(world, mails):
    failed, cancelled = asked(), asked()
    advance(failed, FAILED, reason="StoreBusy")
    advance(cancelled, CANCELLED)
    assert notify(failed, "FAILED") == notify(cancelled) == []
    (mail,) = mails.sent
    assert "StoreBusy" in mail["Content"]["Simple"]["Body"]["Text"]["Data"]


def test_a_batch_that_fails_and_is_completed_later_is_mailed_twice(world, mails):
    batch_id = asked()
    advance(batch_id, FAILED, reason="StoreBusy")
    assert notify(batch_id, "FAILED") == notify(batch_id, "FAILED") == []
    run(batch_id)
    assert notify(batch_id) == []
    complete(batch_id)
    assert notify(batch_id) == []
    subjects = [mail["Content"]["Simple"]["Subject"]["Data"] for mail in mails.sent]
    assert ["could not be made" in subject for subject in subjects] == [True, False]


def state_update(name: str, batch_id: str, entered: str, error: str = "StoreBusy") -> None:
    """What a state of the workflow does to a batch."""
    text = (ROOT / "statemachines" / "generate-vouchers.asl.json").read_text()
    parameters = json.dumps(json.loads(text)["States"][name]["Parameters"]).replace("${BatchesTable}", "batches")
    for path, value in {"$.batch_id": batch_id, "$.failure.Error": error, "$$.State.EnteredTime": entered}.items():
        parameters = parameters.replace(f'"S.$": {json.dumps(path)}', f'"S": {json.dumps(value)}')
    boto3.client("dynamodb").update_item(**json.loads(parameters))


def test_a_failure_whose_answer_was_lost_is_announced(world):
    """The state is repeated, and recognises the change as its own: a refused condition would end the run as over."""
    batch_id = asked()
    state_update("MarkFailed", batch_id, "2026-01-01T00:00:00.000Z")
    state_update("MarkFailed", batch_id, "2026-01-01T00:00:00.000Z")
    assert (read(batch_id)["status"], read(batch_id)["reason"]) == (FAILED, "StoreBusy")
    with pytest.raises(ClientError, match="ConditionalCheckFailed"):
        state_update("MarkFailed", batch_id, "2026-01-01T00:01:00.000Z")


def test_a_batch_that_failed_is_looked_after_until_that_is_announced(world, monkeypatch):
    batch_id, announced = asked(), []
    app = importlib.import_module("vouchers.handlers.sweep_batches")
    monkeypatch.setattr(app, "announce_failure", lambda batch: announced.append(batch["batch_id"]))
    state_update("MarkFailed", batch_id, minutes_ago(0))
    assert sweep() == 0
    state_update("Close", batch_id, minutes_ago(0))
    remember(batch_id, updated_at=minutes_ago(60))
    assert (sweep(), announced) == (0, [])


def test_a_batch_that_was_started_by_hand_is_not_closed_by_the_run_that_failed(world):
    batch_id = asked()
    state_update("MarkFailed", batch_id, minutes_ago(0))
    step("lease_range", batch_id)
    with pytest.raises(ClientError, match="ConditionalCheckFailed"):
        state_update("Close", batch_id, minutes_ago(0))
    batches_module.close(batch_id)
    assert read(batch_id)["open"] == batches_module.OPEN


def test_a_mail_that_cannot_be_sent_now_is_sent_later(world, mails):
    batch_id = made()
    mails.failure = "TooManyRequestsException"
    assert notify(batch_id) == [{"itemIdentifier": "m"}]
    mails.failure = None
    assert notify(batch_id) == []
    assert len(mails.sent) == 1


def test_a_mail_without_an_answer_is_sent_once_by_a_call_and_again_later(world, monkeypatch):
    """SES repeats nothing by itself: a call whose answer is slow has perhaps sent the mail."""
    batch_id, tries = made(), []

    def never(request: Any, **_: Any) -> None:
        tries.append(request.url)
        raise ReadTimeoutError(endpoint_url=request.url)

    with monkeypatch.context() as slow:
        ses = aws.single_try_client("sesv2")
        slow.setattr(ses._endpoint.http_session, "send", never)
        # moto answers before a request is sent.
        ses.meta.events.register_first("before-send.sesv2.SendEmail", never)
        try:
            assert notify(batch_id) == [{"itemIdentifier": "m"}]
        finally:
            ses.meta.events.unregister("before-send.sesv2.SendEmail", never)
    assert len(tries) == 1
    assert "notified_at" not in read(batch_id)


def test_bulk_is_given_time():
    """What S3 takes in is up to 8 MB a call, which the 2 s of a request do not suffice for."""
    for name in ("upload_part", "complete_multipart_upload", "upload_fileobj"):
        texts = [path.read_text() for path in (ROOT / "functions").rglob("*.py")]
        calls = [call for text in texts for call in re.findall(rf"(\w+)\(\"s3\"\)\.{name}\(", text)]
        assert calls
        assert set(calls) == {"patient_client"}, name


def test_a_mail_that_is_refused_is_a_dead_letter_that_names_no_address(world, mails):
    mails.failure = "MessageRejected"
    assert notify(made()) == []
    queue = boto3.client("sqs").get_queue_url(QueueName="dlq")["QueueUrl"]
    (letter,) = boto3.client("sqs").receive_message(QueueUrl=queue, MessageAttributeNames=["All"])["Messages"]
    assert letter["MessageAttributes"]["reason"]["StringValue"] == "MAIL_REFUSED"
    assert GOOD["notify"] not in json.dumps(letter)


def test_a_message_about_no_batch_is_a_dead_letter(world, mails):
    assert notify("VB" + "0" * 24) == []
    assert mails.sent == []

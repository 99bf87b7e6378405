"""Events from the API to the bucket and to their consumers; no function runs before the stream has them."""

import gzip
import json
import os
import random
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count, islice
from typing import Any

import pytest

from model.templates import pieces
from tests.hostile import BROKEN, mutations
from tests.integration.event_requests import MANY, ONE, event_request, send
from tools.client import FLOW_SECONDS, Shop, eventually, unique, with_retries
from tools.dead_letters import messages_of, queues, redrive
from tools.drivers.ingestion import delivered_lines, event_count, failed_records, objects

EVENTS = int(os.environ.get("SETPIECES_EVENTS", "500"))
CLIENTS = 8
BATCH = 40


@pytest.fixture(scope="module")
def key(shop: Shop) -> dict[str, str]:
    return {"x-api-key": shop.samples["ingest_api_key"], "Content-Type": "application/json"}


@pytest.fixture(scope="module")
def bucket(shop: Shop) -> str:
    return shop.address("ingestion", "bucket-name")


def put(shop: Shop, bucket: str, content: bytes, prefix: str = "events/2026/01/01/00/") -> str:
    path = prefix + unique("object")
    shop.aws("s3").put_object(Bucket=bucket, Key=path, Body=content)
    return path


def line(event: dict[str, Any]) -> str:
    return json.dumps({"received_at": 1767225600000, "request_id": "r", "event": event})


# --- accepted events ---


def test_every_accepted_event_is_stored_unchanged(shop: Shop, key: dict[str, str], bucket: str):
    """Singles, batches and hostile bodies, all mixed; every refusal has a reason."""
    name = unique("kept")
    requests = list(traffic(name))
    with ThreadPoolExecutor(CLIENTS) as clients:
        responses = list(clients.map(lambda request: with_retries(lambda: send(shop, key, *request)), requests))
    expected: dict[str, Any] = {}
    seen = Counter(response.status_code for response in responses)
    for (path, body), response in zip(requests, responses, strict=True):
        if response.status_code == 202:
            payload = json.loads(body)
            events = payload["events"] if path == MANY else [payload]
            expected |= {event["event_id"]: event for event in events}
            assert response.json()["accepted"] == len(events)
        else:
            assert 400 <= response.status_code < 500, (body[:300], response.text)
            assert response.json()["code"]
            assert response.json()["title"]
    assert len(expected) >= EVENTS
    assert seen[202] < len(responses), "nothing was refused"

    def stored_lines() -> dict[str, dict[str, Any]]:
        lines = {each["event"]["event_id"]: each for each in delivered_lines(shop, bucket, name)}
        assert len(lines) == len(expected)
        return lines

    lines = eventually(stored_lines, every=1)
    assert {event_id: each["event"] for event_id, each in lines.items()} == expected
    assert all(set(each) == {"received_at", "request_id", "event"} for each in lines.values())
    backed_up = {each["event"]["event_id"] for each in delivered_lines(shop, bucket, name, "source/")}
    assert backed_up == set(expected)


def traffic(name: str) -> Iterator[tuple[str, bytes]]:
    """(path, body): EVENTS events that are accepted, half of them alone, and a hostile body after every fifth request."""
    rng, number = random.Random(1), count()
    hostile = broken_bodies(name, number)
    requests: list[tuple[str, bytes]] = []
    alone = EVENTS // 2
    requests += [(ONE, json.dumps(event(name, next(number), rng)).encode()) for _ in range(alone)]
    remaining = EVENTS - alone
    while remaining > 0:
        size = min(BATCH, remaining)
        events = [event(name, next(number), rng) for _ in range(size)]
        requests.append((MANY, json.dumps({"events": events}).encode()))
        remaining -= size
    rng.shuffle(requests)
    for turn, request in enumerate(requests):
        yield request
        if turn % 5 == 4:
            yield next(hostile)


def event(name: str, number: int, rng: random.Random) -> dict[str, Any]:
    texts = (
        "plain",
        'a "quote"',
        "back\\slash",
        "line\nend",
        "\u2028",
        "ünïcødé 🧱",
        "$input.body",
        "${x}",
        "#set($a=1)",
        "",
    )
    data = {"text": rng.choice(texts), "price": rng.choice([0, -1, 1.5, 12345678901234567890, 1e-7]), "none": None}
    return event_request(
        name, number, data=data | {"deep": {"list": [rng.random() < 0.5, {}, [], [rng.choice(texts)]]}}
    )


def broken_bodies(name: str, number: Iterator[int]) -> Iterator[tuple[str, bytes]]:
    """Broken bodies, and members of hostile kinds and sizes; some may fit the model and are stored."""
    while True:
        yield from ((path, bytes(body)) for body in BROKEN for path in (ONE, MANY))
        for changed, _ in mutations(event_request(name, next(number))):
            yield ONE, json.dumps(renumbered(name, changed, next(number))).encode()
            events = [event_request(name, next(number)), renumbered(name, changed, next(number))]
            yield MANY, json.dumps({"events": events}).encode()


def renumbered(name: str, body: Any, number: int) -> Any:
    """Events that may be stored have ids of their own: within a batch of the stream the same id is the same event."""
    known = isinstance(body, dict) and str(body.get("event_id")).startswith(name)
    return body | {"event_id": f"{name}-{number}"} if known else body


def test_no_function_runs_between_the_api_and_the_stream():
    [document] = pieces()["ingestion"].apis.values()
    operations = [operation for methods in document.resources.values() for operation in methods.values()]
    targets = {
        operation.integration.uri.partition(":firehose:")[2] for operation in operations if operation.integration
    }
    assert targets == {"action/PutRecord", "action/PutRecordBatch"}
    assert not any(operation.authorizer for operation in operations)
    assert all(operation.api_key_required for operation in operations)


# --- refused events ---


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        (ONE, event_request("x", data="x" * 1_030_000) | {"data": {"text": "x" * 1_030_000}}, 413, "REQUEST_TOO_LARGE"),
        (MANY, {"events": [event_request("x", data={"text": "x" * 1_030_000})]}, 413, "REQUEST_TOO_LARGE"),
        (
            MANY,
            {"events": [event_request("x", n, data={"text": "x" * 900_000}) for n in range(5)]},
            413,
            "REQUEST_TOO_LARGE",
        ),
        (
            MANY,
            {"events": [event_request("x", n, data={"text": "x" * 900_000}) for n in range(9)]},
            413,
            "REQUEST_TOO_LARGE",
        ),
        (
            MANY,
            {"events": [event_request("x", n, data={"text": "x" * 900_000}) for n in range(12)]},
            413,
            "REQUEST_TOO_LARGE",
        ),
        (MANY, {"events": [event_request("x", n) for n in range(501)]}, 413, "REQUEST_TOO_LARGE"),
        (MANY, {"events": []}, 400, "INVALID_REQUEST"),
        (MANY, {}, 400, "INVALID_BODY"),
        (MANY, [event_request("x")], 400, "INVALID_BODY"),
        (ONE, event_request("x", occurred_at="yesterday"), 400, "INVALID_BODY"),
        (ONE, event_request("../x"), 400, "INVALID_BODY"),
        (ONE, event_request("x", data=[]), 400, "INVALID_BODY"),
        (ONE, event_request("x", more=1), 400, "INVALID_BODY"),
    ],
    ids=[
        "large",
        "large-in-batch",
        "large-batch",
        "large-as-it-is-sent-on",
        "large-request",
        "many",
        "none",
        "no-events",
        "no-object",
        "no-time",
        "type",
        "data",
        "more",
    ],
)
def test_an_event_that_the_stream_cannot_store_is_refused(
    shop: Shop, key: dict[str, str], path: str, body: Any, status: int, code: str
):
    response = send(shop, key, path, json.dumps(body).encode())
    problem = response.json()
    assert (response.status_code, problem["code"]) == (status, code)
    assert response.headers["content-type"].startswith("application/problem+json")


def test_a_batch_of_the_maximum_size_is_accepted(shop: Shop, key: dict[str, str]):
    name = unique("full")
    response = send(shop, key, MANY, json.dumps({"events": [event_request(name, n) for n in range(500)]}).encode())
    assert (response.status_code, response.json()["accepted"], response.json()["failed"]) == (202, 500, 0)
    assert [result["index"] for result in response.json()["results"]] == list(range(500))
    eventually(lambda: event_count(shop, name) == 500)


@pytest.mark.parametrize("headers", [{}, {"x-api-key": "wrong"}, {"x-api-key": ""}])
def test_callers_need_a_key(shop: Shop, headers: dict[str, str]):
    response = send(shop, headers | {"Content-Type": "application/json"}, ONE, json.dumps(event_request("x")).encode())
    assert response.status_code == 403


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "application/x-amz-json-1.1"])
def test_another_content_type_than_json_is_415(shop: Shop, key: dict[str, str], kind: str):
    response = send(shop, key | {"Content-Type": kind}, ONE, json.dumps(event_request("x")).encode())
    assert (response.status_code, response.json()["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")


# --- processing ---


def test_events_are_counted_and_partitioned(shop: Shop, key: dict[str, str], bucket: str):
    name = unique("processed")
    for start in range(0, 60, 20):
        events = [event_request(name, number) for number in range(start, start + 20)]
        assert send(shop, key, MANY, json.dumps({"events": events}).encode()).status_code == 202
    eventually(lambda: event_count(shop, name) == 60)

    def rows() -> list[str]:
        contents = [content for path, content in objects(shop, bucket, f"analytics/type={name}/")]
        return [json.loads(row)["event_id"] for content in contents for row in content.splitlines()]

    eventually(lambda: sorted(rows()) == sorted(f"{name}-{number}" for number in range(60)))


@pytest.mark.parametrize("between", ["\n", ""], ids=["lines", "no-lines"])
@pytest.mark.parametrize("zipped", [True, False], ids=["gzip", "plain"])
def test_objects_of_many_records_are_read_in_every_form(shop: Shop, bucket: str, between: str, zipped: bool):
    name = unique("object")
    content = between.join(line(event_request(name, number)) for number in range(250)).encode()
    put(shop, bucket, gzip.compress(content) if zipped else content)
    eventually(lambda: event_count(shop, name) == 250)


def test_a_corrupt_line_is_set_aside_and_the_others_are_processed(shop: Shop, bucket: str):
    name = unique("corrupt")
    path = put(
        shop, bucket, "\n".join([line(event_request(name, 1)), '{"broken', line(event_request(name, 2))]).encode()
    )
    eventually(lambda: event_count(shop, name) == 2)

    def aside() -> list[bytes]:
        return [content for _, content in objects(shop, bucket, f"errors/corrupt/{path}")]

    [content] = eventually(aside)
    assert json.loads(content) == {"object": path, "line": 2, "reason": "INVALID_JSON", "text": '{"broken'}


def test_an_object_with_a_repeated_event_is_counted_once(shop: Shop, bucket: str):
    name = unique("again")
    path = put(shop, bucket, line(event_request(name)).encode())
    eventually(lambda: event_count(shop, name) == 1)
    etag = shop.aws("s3").head_object(Bucket=bucket, Key=path)["ETag"].strip('"')
    notification = {
        "detail": {"bucket": {"name": bucket}, "object": {"key": path, "etag": etag, "size": 1, "sequencer": "1"}}
    }
    for _ in range(2):
        assert invoke(shop, "fan-out", shop.event("ingestion/fan_out.json") | notification)["events"] == 1
        assert invoke(shop, "roll-up", {"bucket": bucket, "key": path, "etag": etag}) == {"counted": 0}
    assert event_count(shop, name) == 1


def invoke(shop: Shop, function: str, event: dict[str, Any]) -> Any:
    response = shop.aws("lambda").invoke(
        FunctionName=f"setpieces-{shop.stage}-ingestion-{function}", Payload=json.dumps(event).encode()
    )
    assert "FunctionError" not in response
    return json.load(response["Payload"])


def test_an_invalid_event_is_stored_unchanged_under_the_error_prefix(shop: Shop, bucket: str):
    """A principal that may write to the stream can do so without the API."""
    name = unique("junk")
    stream = shop.address("ingestion", "stream-name")
    good = line(event_request(name)) + "\n"
    junk = [f"{name} \xff".encode("latin-1"), f'{{"event": "{name}"}}'.encode()]
    records = [{"Data": data} for data in (*junk, good.encode(), good.encode())]
    shop.aws("firehose").put_record_batch(DeliveryStreamName=stream, Records=records)

    eventually(lambda: failed_records(shop, bucket, name) == set(junk))
    eventually(lambda: event_count(shop, name) == 1)
    sources = [content for _, content in objects(shop, bucket, "source/")]
    assert sum(content.count(name.encode()) for content in sources) >= 4


def test_objects_of_the_error_prefix_are_not_processed(shop: Shop, bucket: str):
    name = unique("error")
    put(shop, bucket, line(event_request(name)).encode(), "errors/processing-failed/2026/01/01/00/")
    put(shop, bucket, line(event_request(name)).encode(), "source/2026/01/01/00/")
    good = unique("good")
    put(shop, bucket, line(event_request(good)).encode())
    eventually(lambda: event_count(shop, good) == 1)
    assert event_count(shop, name) == 0


def test_an_object_that_a_function_cannot_process_is_a_dead_letter_that_can_be_redriven(shop: Shop, bucket: str):
    """The function may not read what is outside of ``events/``: a permanent fault until an operator corrects it."""
    name = unique("letter")
    function = f"setpieces-{shop.stage}-ingestion-roll-up"
    payload = {"bucket": bucket, "key": f"elsewhere/{name}", "etag": "0"}
    shop.aws("lambda").invoke(FunctionName=function, InvocationType="Event", Payload=json.dumps(payload).encode())
    [queue] = queues(shop, "ingestion-errors")

    def letter() -> dict[str, Any]:
        with messages_of(shop, queue) as letters:
            return next((dead_letter.message for dead_letter in letters if name in dead_letter.message["Body"]), {})

    body = eventually(letter, timeout=2 * FLOW_SECONDS)["Body"]
    assert function in json.loads(body)["requestContext"]["functionArn"]
    # Corrected: the object is where the function may read it. Its arrival is counted first.
    path = put(shop, bucket, line(event_request(name)).encode())
    eventually(lambda: event_count(shop, name) == 1)
    sqs = shop.aws("sqs")
    with messages_of(shop, queue) as letters:
        [dead_letter] = [dead_letter for dead_letter in letters if name in dead_letter.message["Body"]]
        assert dead_letter.call
        sqs.send_message(QueueUrl=queue, MessageBody=body.replace(f"elsewhere/{name}", path))
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=dead_letter.message["ReceiptHandle"])
    assert redrive(shop, queue) >= 1
    # The dead letter names another version, by its etag.
    eventually(lambda: event_count(shop, name) == 2)


def test_hostile_types_never_become_keys(shop: Shop, bucket: str):
    name = unique("type")
    hostile = [
        event_request(name, number) | {"type": text}
        for number, text in enumerate(("../../x", "a/b", "", "x" * 65, "a\nb"))
    ]
    path = put(shop, bucket, "\n".join(map(line, hostile)).encode())
    eventually(lambda: list(islice(objects(shop, bucket, f"errors/corrupt/{path}"), 1)))
    keys = [key for key, _ in objects(shop, bucket, "analytics/")]
    assert not any(part in key for key in keys for part in ("../", "a/b", "type=/"))

"""Rules in the store, in a file and in memory: what is asked when, and what outlives a store that does not answer."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from moto import mock_aws

from redirects.domain.rules import RuleSet, compile_rules
from redirects.repository import RETRY_SECONDS, Content, RuleStore, read_from
from tests.faults import refused

REFRESH = 60


class Store:
    """``content`` is what S3 holds; an exception in its place is raised. ``asked`` is what was asked with."""

    def __init__(self) -> None:
        self.content: Content | Exception = rules("v1")
        self.asked: list[str | None] = []

    def __call__(self, known: str | None) -> Content | None:
        self.asked.append(known)
        if isinstance(self.content, Exception):
            raise self.content
        return None if self.content.etag == known else self.content


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def rules(etag: str, to: str = "/b") -> Content:
    return Content(etag, json.dumps({"rules": [{"id": "a", "match": "exact", "from": "/a", "to": to}]}).encode())


def compiled(document: dict[str, Any]) -> RuleSet:
    return compile_rules(document, {"www.shop.example"}, ())


def leads_to(rule_store: RuleStore) -> str | None:
    found = rule_store.rules()
    decision = found.decide("www.shop.example", "/a", ()) if found else None
    return decision.location if decision else None


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def cold(store: Store, clock: Clock, folder: Path) -> RuleStore:
    return RuleStore(store, compiled, folder / "bucket.rules", REFRESH, clock)


def test_rules_are_asked_for_once_in_their_time(store: Store, clock: Clock, tmp_path: Path):
    found = cold(store, clock, tmp_path)
    assert [leads_to(found) for _ in range(3)] == ["/b"] * 3
    assert store.asked == [None]
    clock.now += REFRESH
    assert leads_to(found) == "/b"
    assert store.asked == [None, "v1"]


def test_newer_rules_are_in_use_within_the_refresh_time(store: Store, clock: Clock, tmp_path: Path):
    found = cold(store, clock, tmp_path)
    leads_to(found)
    store.content = rules("v2", "/c")
    clock.now += REFRESH - 1
    assert leads_to(found) == "/b"
    clock.now += 1
    assert leads_to(found) == "/c"


@pytest.mark.parametrize(
    "fault",
    [
        EndpointConnectionError(endpoint_url="https://s3"),
        refused("GetObject", "AccessDenied", 403),
        Content("v2", b"{half a fi"),
        Content("v2", b"[]"),
        Content("v2", b'{"rules": [{"id": "a", "match": "exact", "from": "/a", "to": "https://evil.example/"}]}'),
    ],
    ids=["unreachable", "denied", "broken", "no-rules", "foreign-host"],
)
def test_the_last_good_rules_stay_in_use(store: Store, clock: Clock, tmp_path: Path, fault: Any):
    found = cold(store, clock, tmp_path)
    leads_to(found)
    store.content = fault
    for _ in range(100):
        clock.now += REFRESH
        assert leads_to(found) == "/b"
    store.content = rules("v3", "/c")
    clock.now += RETRY_SECONDS
    assert leads_to(found) == "/c"


def test_a_store_that_is_down_is_not_asked_with_every_request(store: Store, clock: Clock, tmp_path: Path):
    store.content = EndpointConnectionError(endpoint_url="https://s3")
    found = cold(store, clock, tmp_path)
    assert [leads_to(found) for _ in range(10)] == [None] * 10
    assert len(store.asked) == 1
    clock.now += RETRY_SECONDS
    store.content = rules("v1")
    assert leads_to(found) == "/b"


def test_a_cold_start_begins_with_the_file_and_asks_only_for_newer_rules(store: Store, clock: Clock, tmp_path: Path):
    leads_to(cold(store, clock, tmp_path))
    store.asked.clear()
    again = cold(store, clock, tmp_path)
    assert leads_to(again) == "/b"
    assert store.asked == ["v1"]


def test_a_cold_start_without_the_store_answers_from_the_file(store: Store, clock: Clock, tmp_path: Path):
    leads_to(cold(store, clock, tmp_path))
    store.content = EndpointConnectionError(endpoint_url="https://s3")
    assert leads_to(cold(store, clock, tmp_path)) == "/b"


@pytest.mark.parametrize("content", [b"", b"v1", b"v1\n{half", b"\xff\xfe\n{}"])
def test_half_a_file_is_no_file(store: Store, clock: Clock, tmp_path: Path, content: bytes):
    (tmp_path / "bucket.rules").write_bytes(content)
    assert leads_to(cold(store, clock, tmp_path)) == "/b"
    assert store.asked == [None]


def test_a_file_is_replaced_in_one_step(store: Store, clock: Clock, tmp_path: Path):
    leads_to(cold(store, clock, tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["bucket.rules"]


def test_a_folder_that_cannot_be_written_is_no_fault(store: Store, clock: Clock, tmp_path: Path):
    assert leads_to(RuleStore(store, compiled, tmp_path / "missing" / "file", REFRESH, clock)) == "/b"


# --- S3 ---


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name, value in {
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "t",
        "AWS_SECRET_ACCESS_KEY": "t",
    }.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        yield client


def test_an_object_is_read_once_for_each_version(s3: Any):
    read = read_from(s3, "bucket", "rules.json")
    s3.put_object(Bucket="bucket", Key="rules.json", Body=b"one")
    first = read(None)
    assert first
    assert first.body == b"one"
    assert read(first.etag) is None
    s3.put_object(Bucket="bucket", Key="rules.json", Body=b"two")
    second = read(first.etag)
    assert second
    assert second.body == b"two"


def test_a_missing_object_is_a_fault(s3: Any):
    with pytest.raises(ClientError):
        read_from(s3, "bucket", "rules.json")(None)

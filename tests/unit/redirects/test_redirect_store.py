"""Rules in S3, in a file and in memory: when each is read, and which rules are used while S3 is unavailable."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from redirects.domain.compiler import compile_rules
from redirects.domain.rules import RuleSet
from redirects.repository import RETRY_SECONDS, ReadRuleFile, RuleFile, RuleStore, s3_reader
from tests.faults import refused, unreachable
from tests.service import Service

REFRESH_SECONDS = 60


class Bucket:
    """``content`` is the rule file; an exception in its place is raised. ``etags`` are those that it was read with."""

    def __init__(self) -> None:
        self.content: RuleFile | Exception = rule_file("v1")
        self.etags: list[str | None] = []

    def __call__(self, etag: str | None) -> RuleFile | None:
        self.etags.append(etag)
        if isinstance(self.content, Exception):
            raise self.content
        return None if self.content.etag == etag else self.content


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def rule_file(etag: str, to: str = "/b") -> RuleFile:
    return RuleFile(etag, json.dumps({"rules": [{"id": "a", "match": "exact", "from": "/a", "to": to}]}).encode())


def compiled(document: dict[str, Any]) -> RuleSet:
    return compile_rules(document, {"www.shop.example"}, ())


def location(store: RuleStore) -> str | None:
    """The location of /a by the rules in use."""
    rules = store.load_rules()
    decision = rules.decide("www.shop.example", "/a", ()) if rules else None
    return decision.location if decision else None


@pytest.fixture
def bucket() -> Bucket:
    return Bucket()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def new_store(bucket: Bucket, clock: Clock, folder: Path) -> RuleStore:
    """The store of a process that has just started."""
    return RuleStore(bucket, compiled, folder / "bucket.rules", REFRESH_SECONDS, clock)


def test_rules_are_read_once_in_the_refresh_time(bucket: Bucket, clock: Clock, tmp_path: Path):
    store = new_store(bucket, clock, tmp_path)
    assert [location(store) for _ in range(3)] == ["/b"] * 3
    assert bucket.etags == [None]
    clock.now += REFRESH_SECONDS
    assert location(store) == "/b"
    assert bucket.etags == [None, "v1"]


def test_new_rules_are_used_after_the_refresh_time(bucket: Bucket, clock: Clock, tmp_path: Path):
    store = new_store(bucket, clock, tmp_path)
    location(store)
    bucket.content = rule_file("v2", "/c")
    clock.now += REFRESH_SECONDS - 1
    assert location(store) == "/b"
    clock.now += 1
    assert location(store) == "/c"


@pytest.mark.parametrize(
    "fault",
    [
        unreachable("s3"),
        refused("GetObject", "AccessDenied", 403),
        RuleFile("v2", b"{half a fi"),
        RuleFile("v2", b"[]"),
        RuleFile("v2", b'{"rules": [{"id": "a", "match": "exact", "from": "/a", "to": "https://evil.example/"}]}'),
    ],
    ids=["unreachable", "denied", "broken", "no-rules", "foreign-host"],
)
def test_the_last_valid_rules_stay_in_use(bucket: Bucket, clock: Clock, tmp_path: Path, fault: Any):
    store = new_store(bucket, clock, tmp_path)
    location(store)
    bucket.content = fault
    for _ in range(100):
        clock.now += REFRESH_SECONDS
        assert location(store) == "/b"
    bucket.content = rule_file("v3", "/c")
    clock.now += RETRY_SECONDS
    assert location(store) == "/c"


def test_an_unavailable_bucket_is_not_read_by_every_request(bucket: Bucket, clock: Clock, tmp_path: Path):
    bucket.content = unreachable("s3")
    store = new_store(bucket, clock, tmp_path)
    assert [location(store) for _ in range(10)] == [None] * 10
    assert len(bucket.etags) == 1
    clock.now += RETRY_SECONDS
    bucket.content = rule_file("v1")
    assert location(store) == "/b"


def test_a_cold_start_uses_the_file_and_reads_only_new_rules(bucket: Bucket, clock: Clock, tmp_path: Path):
    location(new_store(bucket, clock, tmp_path))
    bucket.etags.clear()
    second = new_store(bucket, clock, tmp_path)
    assert location(second) == "/b"
    assert bucket.etags == ["v1"]


def test_a_cold_start_uses_the_file_while_the_bucket_is_unavailable(bucket: Bucket, clock: Clock, tmp_path: Path):
    location(new_store(bucket, clock, tmp_path))
    bucket.content = unreachable("s3")
    assert location(new_store(bucket, clock, tmp_path)) == "/b"


@pytest.mark.parametrize("content", [b"", b"v1", b"v1\n{half", b"\xff\xfe\n{}"])
def test_an_incomplete_file_is_ignored(bucket: Bucket, clock: Clock, tmp_path: Path, content: bytes):
    (tmp_path / "bucket.rules").write_bytes(content)
    assert location(new_store(bucket, clock, tmp_path)) == "/b"
    assert bucket.etags == [None]


def test_a_file_is_replaced_atomically(bucket: Bucket, clock: Clock, tmp_path: Path):
    location(new_store(bucket, clock, tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["bucket.rules"]


def test_rules_are_used_if_the_file_cannot_be_written(bucket: Bucket, clock: Clock, tmp_path: Path):
    assert location(RuleStore(bucket, compiled, tmp_path / "missing" / "file", REFRESH_SECONDS, clock)) == "/b"


# --- S3 ---


@pytest.fixture
def bucket_name(service: Callable[..., Service]) -> str:
    return service("redirects").name("Bucket")


@pytest.fixture
def read(bucket_name: str) -> ReadRuleFile:
    return s3_reader(boto3.client("s3"), bucket_name, "rules.json")


def test_an_object_is_read_once_for_each_version(bucket_name: str, read: ReadRuleFile):
    s3 = boto3.client("s3")
    s3.put_object(Bucket=bucket_name, Key="rules.json", Body=b"one")
    first = read(None)
    assert first
    assert first.body == b"one"
    assert read(first.etag) is None
    s3.put_object(Bucket=bucket_name, Key="rules.json", Body=b"two")
    second = read(first.etag)
    assert second
    assert second.body == b"two"


def test_a_missing_object_is_an_error(read: ReadRuleFile):
    with pytest.raises(ClientError):
        read(None)

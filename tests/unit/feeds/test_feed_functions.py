"""The API of feeds, and concluding feeds."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from feeds.domain.feeds import new_feed_id, upload_key
from feeds.domain.outcomes import OUTCOMES
from feeds.repository import feeds as repository
from feeds.repository import record_outcomes
from setpieces.dynamodb import ConditionFailed
from tests.faults import Faults
from tests.service import Response, Service

NOW = "2026-01-01T00:00:00.000+00:00"
TODAY = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def feeds(service: Callable[..., Service]) -> Service:
    return service("feeds")


def call(feeds: Service, function: str, **parameters: str) -> Response:
    return feeds.call(function, path=parameters, authorizer={"principalId": "admin-1"})


def show(feeds: Service) -> dict[str, Any]:
    """The manifest that the API returns."""
    body: dict[str, Any] = call(feeds, "show_feed", type="product", feed_id="f-1").body
    return body


def store(feeds: Service, **changes: Any) -> None:
    feed = {
        "feed": "product/f-1",
        "feed_id": "f-1",
        "type": "product",
        "status": "UPDATING",
        "run": "r",
        "received": 1200,
        "rejected": 2,
        "rejected_reasons": {"INVALID_RECORD": 2},
        "error_keys": [],
        "stretches": {},
        "open": "1",
        "look_at": NOW,
        "created_at": NOW,
        "updated_at": NOW,
    } | changes
    feeds.put("FeedsTable", feed)


def record_outcome(first: int, end: int, outcome: str) -> None:
    record_outcomes.add("r", dict.fromkeys(range(first, end), outcome), 2_000_000_000)


def conclude(feeds: Service) -> int:
    """Invoke the scheduled function; the number of feeds that it concluded."""
    return int(feeds.invoke("conclude_feeds")["concluded"])


def stored_feed(feeds: Service) -> dict[str, Any]:
    [feed] = feeds.items("FeedsTable")
    return feed


def manifest(feeds: Service) -> dict[str, Any]:
    """The manifest in the bucket."""
    manifest: dict[str, Any] = json.loads(feeds.read_object("Bucket", "product/results/f-1.json"))
    return manifest


def published_feeds(faults: Faults) -> list[str]:
    """The ids of the feeds published to the alarm topic."""
    return [json.loads(request["Message"])["feed_id"] for request in faults.requests("Publish")]


def test_an_upload_is_requested_and_shown(feeds: Service):
    status, headers, body = call(feeds, "request_upload", type="pricing")
    assert (status, body["status"]) == (202, "AWAITING_UPLOAD")
    assert headers["Location"].endswith(body["feed_id"])
    assert "/pricing/in/" in body["upload"]["url"]
    assert "X-Amz-Expires=900" in body["upload"]["url"]
    status, headers, view = call(feeds, "show_feed", type="pricing", feed_id=body["feed_id"])
    assert (status, view["status"], view["errors"], headers["Retry-After"]) == (200, "AWAITING_UPLOAD", [], "2")


@pytest.mark.parametrize(
    ("function", "parameters", "code"),
    [
        ("request_upload", {"type": "prices"}, "UNKNOWN_FEED_TYPE"),
        ("show_feed", {"type": "x", "feed_id": "f-1"}, "UNKNOWN_FEED_TYPE"),
        ("show_feed", {"type": "sku", "feed_id": "f-1"}, "FEED_NOT_FOUND"),
        ("show_feed", {"type": "product", "feed_id": "%2e%2e"}, "FEED_NOT_FOUND"),
        ("show_feed", {"type": "product", "feed_id": "x" * 65}, "FEED_NOT_FOUND"),
    ],
)
def test_an_unknown_type_or_feed_is_a_404(feeds: Service, function, parameters, code):
    store(feeds)
    status, _, body = call(feeds, function, **parameters)
    assert (status, body["code"]) == (404, code)


def test_ids_and_keys_contain_type_and_day():
    moment = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
    feed_id = new_feed_id("sku", moment)
    assert feed_id.startswith("sku-20260304T050607Z-")
    assert upload_key("sku", feed_id, moment) == f"sku/in/2026/03/04/{feed_id}.json"


def test_a_manifest_counts_every_record_once(feeds: Service):
    store(feeds, error_keys=["product/errors/f-1/r-0.ndjson.gz"])
    record_outcome(0, 1100, "updated")
    record_outcome(1000, 1150, "unchanged")
    record_outcome(1150, 1160, "stale")
    record_outcome(1160, 1165, "failed:INVALID_REQUEST")
    status, _, view = call(feeds, "show_feed", type="product", feed_id="f-1")
    assert status == 200
    assert {name: view[name] for name in ("received", "transformed", "rejected", "pending")} == {
        "received": 1200,
        "transformed": 1198,
        "rejected": 2,
        "pending": 33,
    }
    assert [view[name] for name in OUTCOMES] == [1100, 50, 10, 5]
    assert view["reasons"] == {"INVALID_RECORD": 2, "INVALID_REQUEST": 5}
    assert view["status"] == "UPDATING"
    assert "X-Amz-Signature" in view["errors"][0]["url"]
    record_outcome(1165, 1198, "updated")
    assert show(feeds)["status"] == "COMPLETE"


def test_the_manifest_of_a_large_feed_has_the_last_stored_counts(feeds: Service, monkeypatch):
    store(feeds, received=2_000_000, rejected=0)
    record_outcome(0, 1000, "updated")
    record_outcome(1000, 1003, "failed:INVALID_REQUEST")

    def show_without_counting() -> dict[str, Any]:
        with monkeypatch.context() as patch:
            patch.setattr(record_outcomes, "read_batches", lambda *_: pytest.fail("records are counted"))
            return show(feeds)

    view = show_without_counting()
    assert (view["updated"], view["pending"]) == (0, 2_000_000)
    assert conclude(feeds) == 0
    view = show_without_counting()
    assert (view["updated"], view["failed"], view["pending"]) == (1000, 3, 1_998_997)
    assert view["status"] == "UPDATING"
    assert view["reasons"] == {"INVALID_RECORD": 2, "INVALID_REQUEST": 3}


def test_a_concluded_large_feed_has_its_final_counts(feeds: Service):
    store(feeds, received=50_500, rejected=0, rejected_reasons={})
    for first in range(0, 50_500, 500):
        record_outcome(first, first + 500, "updated")
    assert show(feeds)["status"] == "UPDATING", "not counted yet"
    assert conclude(feeds) == 1
    view = show(feeds)
    assert (view["status"], view["updated"], view["pending"]) == ("COMPLETE", 50_500, 0)


def test_a_feed_in_transformation_shows_its_progress(feeds: Service):
    stretches = {"0": {"first": 0, "end": 700, "rejected": 3}}
    store(feeds, status="TRANSFORMING", stretches=stretches, received=None, rejected=None)
    view = show(feeds)
    assert (view["status"], view["received"], view["rejected"], view["pending"]) == ("TRANSFORMING", 700, 3, 697)
    assert conclude(feeds) == 0


def test_a_concluded_feed_has_a_manifest_in_the_bucket_and_its_faults_are_published_once(
    feeds: Service, faults: Faults
):
    store(feeds)
    record_outcome(0, 1197, "updated")
    assert conclude(feeds) == 0, "one record is pending"
    record_outcome(1197, 1198, "failed:INVALID_REQUEST")
    assert conclude(feeds) == 1
    stored_manifest = manifest(feeds)
    assert (stored_manifest["status"], stored_manifest["updated"], stored_manifest["failed"]) == ("COMPLETE", 1197, 1)
    assert published_feeds(faults) == ["f-1"]
    assert conclude(feeds) == 0, "it is counted again in an hour"
    # An hour later, the record has been redriven.
    record_outcome(1197, 1198, "updated")
    feeds.put("FeedsTable", stored_feed(feeds) | {"look_at": NOW})
    conclude(feeds)
    stored_manifest = manifest(feeds)
    assert (stored_manifest["updated"], stored_manifest["failed"]) == (1198, 0)
    assert published_feeds(faults) == ["f-1"]
    assert "open" not in stored_feed(feeds)


@pytest.mark.parametrize(
    ("feed", "status", "publications"),
    [
        ({"received": 0, "rejected": 0, "rejected_reasons": {}}, "COMPLETE", 0),
        ({"received": 0, "rejected": 0, "rejected_reasons": {}, "unreadable": "EMPTY"}, "FAILED", 1),
        ({"received": 2}, "COMPLETE", 1),
    ],
)
def test_the_final_status_of_a_feed(
    feeds: Service, faults: Faults, feed: dict[str, Any], status: str, publications: int
):
    store(feeds, **feed)
    assert conclude(feeds) == 1
    assert len(published_feeds(faults)) == publications
    assert show(feeds)["status"] == status


def test_a_replaced_run_is_not_concluded(feeds: Service):
    outcomes = dict.fromkeys(OUTCOMES, 0)
    store(feeds, received=0, rejected=0, outcomes=outcomes)
    replaced = repository.load("product", "f-1")
    store(feeds, run="r-2", status="TRANSFORMING", outcomes=outcomes)
    assert replaced
    assert not repository.conclude(replaced, outcomes, "COMPLETE", datetime.now(UTC), None)


def test_older_counts_do_not_replace_newer_ones(feeds: Service, faults: Faults):
    """A slow invocation counts before records are redriven, and writes after the invocation that counts them."""
    store(feeds)
    record_outcome(0, 1197, "updated")
    record_outcome(1197, 1198, "failed:INVALID_REQUEST")
    concluded = []

    def redrive() -> None:
        record_outcome(1197, 1198, "updated")
        concluded.append(conclude(feeds))

    faults.meanwhile("PutObject", redrive)
    conclude(feeds)
    stored_manifest = manifest(feeds)
    stored = stored_feed(feeds)
    assert (stored_manifest["updated"], stored_manifest["failed"]) == (1198, 0)
    assert stored["outcomes"]["failed"] == 0
    assert "open" not in stored
    assert concluded == [1]


def test_of_two_concurrent_invocations_one_concludes_a_feed(feeds: Service, faults: Faults):
    """Both have the same counts; the feed is published once."""
    store(feeds)
    record_outcome(0, 1197, "updated")
    record_outcome(1197, 1198, "failed:INVALID_REQUEST")
    faults.meanwhile("UpdateItem", lambda: conclude(feeds))
    assert conclude(feeds) == 0
    assert published_feeds(faults) == ["f-1"]


def test_a_feed_is_created_when_the_sdk_repeats_the_write(feeds: Service, faults: Faults):
    faults.lose_response("PutItem")
    repository.create("product", "feed-1", "C1", TODAY)
    assert len(feeds.items("FeedsTable")) == 1


def test_a_feed_of_another_requester_is_not_replaced(feeds: Service):
    repository.create("product", "feed-1", "C1", TODAY)
    with pytest.raises(ConditionFailed):
        repository.create("product", "feed-1", "C2", TODAY)

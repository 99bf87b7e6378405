"""The API of feeds and the end of a feed."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from feeds.repository import runs
from feeds.repository.runs import expect
from feeds.requests import new_feed_id, upload_key
from setpieces import feed_accounts
from tests.faults import Faults
from tests.service import Response, Service

NOW = "2026-01-01T00:00:00.000+00:00"


@pytest.fixture
def feeds(service: Callable[..., Service]) -> Service:
    return service("feeds")


def call(feeds: Service, function: str, **parameters: str) -> Response:
    return feeds.call(function, path=parameters, authorizer={"principalId": "admin-1"})


def show(feeds: Service) -> dict[str, Any]:
    """The feed as an admin sees it."""
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


def account(first: int, end: int, outcome: str) -> None:
    feed_accounts.record_outcomes("r", dict.fromkeys(range(first, end), outcome), 2_000_000_000)


def conclude(feeds: Service) -> int:
    """How many feeds the scheduled invocation has concluded."""
    return int(feeds.invoke("conclude_feeds")["concluded"])


def stored_feed(feeds: Service) -> dict[str, Any]:
    [feed] = feeds.items("FeedsTable")
    return feed


def manifest(feeds: Service) -> dict[str, Any]:
    """The manifest in the bucket."""
    manifest: dict[str, Any] = json.loads(feeds.read_object("Bucket", "product/results/f-1.json"))
    return manifest


def announced(faults: Faults) -> list[str]:
    """The ids of the feeds announced to the alarm topic."""
    return [json.loads(request["Message"])["feed_id"] for request in faults.requests("Publish")]


def test_a_place_for_a_feed_can_be_asked_for(feeds: Service):
    status, headers, body = call(feeds, "request_upload", type="pricing")
    assert (status, body["status"]) == (202, "AWAITING_UPLOAD")
    assert headers["Location"].endswith(body["feed_id"])
    assert "/pricing/in/" in body["upload"]["url"]
    assert "X-Amz-Expires=900" in body["upload"]["url"]
    status, headers, shown = call(feeds, "show_feed", type="pricing", feed_id=body["feed_id"])
    assert (status, shown["status"], shown["errors"], headers["Retry-After"]) == (200, "AWAITING_UPLOAD", [], "2")


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
def test_what_there_is_not_is_a_404(feeds: Service, function, parameters, code):
    store(feeds)
    status, _, body = call(feeds, function, **parameters)
    assert (status, body["code"]) == (404, code)


def test_ids_and_keys_name_type_and_day():
    moment = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
    feed_id = new_feed_id("sku", moment)
    assert feed_id.startswith("sku-20260304T050607Z-")
    assert upload_key("sku", feed_id, moment) == f"sku/in/2026/03/04/{feed_id}.json"


def test_a_manifest_accounts_for_every_record(feeds: Service):
    store(feeds, error_keys=["product/errors/f-1/r-0.ndjson.gz"])
    account(0, 1100, "updated")
    account(1000, 1150, "unchanged")
    account(1150, 1160, "stale")
    account(1160, 1165, "failed:INVALID_REQUEST")
    status, _, shown = call(feeds, "show_feed", type="product", feed_id="f-1")
    assert status == 200
    assert {name: shown[name] for name in ("received", "transformed", "rejected", "pending")} == {
        "received": 1200,
        "transformed": 1198,
        "rejected": 2,
        "pending": 33,
    }
    assert [shown[name] for name in feed_accounts.OUTCOMES] == [1100, 50, 10, 5]
    assert shown["reasons"] == {"INVALID_RECORD": 2, "INVALID_REQUEST": 5}
    assert shown["status"] == "UPDATING"
    assert "X-Amz-Signature" in shown["errors"][0]["url"]
    account(1165, 1198, "updated")
    assert show(feeds)["status"] == "COMPLETE"


def test_the_manifest_of_a_large_feed_is_shown_without_counting_its_records(feeds: Service, monkeypatch):
    store(feeds, received=2_000_000, rejected=0)
    account(0, 1000, "updated")
    account(1000, 1003, "failed:INVALID_REQUEST")

    def show_without_counting() -> dict[str, Any]:
        with monkeypatch.context() as patch:
            patch.setattr(feed_accounts, "read_batches", lambda *_: pytest.fail("its records are read"))
            return show(feeds)

    shown = show_without_counting()
    assert (shown["updated"], shown["pending"]) == (0, 2_000_000)
    assert conclude(feeds) == 0
    shown = show_without_counting()
    assert (shown["updated"], shown["failed"], shown["pending"]) == (1000, 3, 1_998_997)
    assert shown["status"] == "UPDATING"
    assert shown["reasons"] == {"INVALID_RECORD": 2, "INVALID_REQUEST": 3}


def test_a_large_feed_ends_with_the_counts_of_its_end(feeds: Service):
    store(feeds, received=50_500, rejected=0, rejected_reasons={})
    for first in range(0, 50_500, 500):
        account(first, first + 500, "updated")
    assert show(feeds)["status"] == "UPDATING", "not counted yet"
    assert conclude(feeds) == 1
    shown = show(feeds)
    assert (shown["status"], shown["updated"], shown["pending"]) == ("COMPLETE", 50_500, 0)


def test_a_feed_that_is_transformed_shows_how_far_it_is(feeds: Service):
    stretches = {"0": {"first": 0, "end": 700, "rejected": 3}}
    store(feeds, status="TRANSFORMING", stretches=stretches, received=None, rejected=None)
    shown = show(feeds)
    assert (shown["status"], shown["received"], shown["rejected"], shown["pending"]) == ("TRANSFORMING", 700, 3, 697)
    assert conclude(feeds) == 0


def test_a_feed_ends_with_a_manifest_in_the_store_and_is_announced_once_if_it_has_faults(
    feeds: Service, faults: Faults
):
    store(feeds)
    account(0, 1197, "updated")
    assert conclude(feeds) == 0, "one record is pending"
    account(1197, 1198, "failed:INVALID_REQUEST")
    assert conclude(feeds) == 1
    kept = manifest(feeds)
    assert (kept["status"], kept["updated"], kept["failed"]) == ("COMPLETE", 1197, 1)
    assert announced(faults) == ["f-1"]
    assert conclude(feeds) == 0, "it is looked at again in an hour"
    # The hour is over, and the record was redriven meanwhile.
    account(1197, 1198, "updated")
    feeds.put("FeedsTable", stored_feed(feeds) | {"look_at": NOW})
    conclude(feeds)
    kept = manifest(feeds)
    assert (kept["updated"], kept["failed"]) == (1198, 0)
    assert announced(faults) == ["f-1"]
    assert "open" not in stored_feed(feeds)


@pytest.mark.parametrize(
    ("feed", "status", "announcements"),
    [
        ({"received": 0, "rejected": 0, "rejected_reasons": {}}, "COMPLETE", 0),
        ({"received": 0, "rejected": 0, "rejected_reasons": {}, "unreadable": "EMPTY"}, "FAILED", 1),
        ({"received": 2}, "COMPLETE", 1),
    ],
)
def test_how_a_feed_ends(feeds: Service, faults: Faults, feed: dict[str, Any], status: str, announcements: int):
    store(feeds, **feed)
    assert conclude(feeds) == 1
    assert len(announced(faults)) == announcements
    assert show(feeds)["status"] == status


def test_a_feed_that_is_uploaded_anew_is_not_concluded_for_the_old_run(feeds: Service):
    outcomes = dict.fromkeys(feed_accounts.OUTCOMES, 0)
    store(feeds, received=0, rejected=0, outcomes=outcomes)
    old = runs.read("product", "f-1")
    store(feeds, run="r-2", status="TRANSFORMING", outcomes=outcomes)
    assert old
    assert not runs.conclude(old, outcomes, "COMPLETE", None)


def test_a_slow_invocation_does_not_bring_back_an_older_count(feeds: Service, faults: Faults):
    """It counted before records were redriven, and writes after the one that counted them."""
    store(feeds)
    account(0, 1197, "updated")
    account(1197, 1198, "failed:INVALID_REQUEST")
    other = []

    def redriven() -> None:
        account(1197, 1198, "updated")
        other.append(conclude(feeds))

    faults.meanwhile("PutObject", redriven)
    conclude(feeds)
    kept = manifest(feeds)
    stored = stored_feed(feeds)
    assert (kept["updated"], kept["failed"]) == (1198, 0)
    assert stored["outcomes"]["failed"] == 0
    assert "open" not in stored
    assert other == [1]


def test_of_two_invocations_at_once_one_concludes_a_feed(feeds: Service, faults: Faults):
    """Both have counted the same; the feed is announced once."""
    store(feeds)
    account(0, 1197, "updated")
    account(1197, 1198, "failed:INVALID_REQUEST")
    faults.meanwhile("UpdateItem", lambda: conclude(feeds))
    assert conclude(feeds) == 0
    assert announced(faults) == ["f-1"]


def test_a_new_feed_is_one_even_if_the_sdk_had_to_repeat_itself(feeds: Service, faults: Faults):
    faults.lose_answer("PutItem")
    expect("product", "feed-1", "C1", 2_000_000_000)
    assert len(feeds.items("FeedsTable")) == 1


def test_a_feed_of_somebody_else_is_not_replaced(feeds: Service):
    expect("product", "feed-1", "C1", 2_000_000_000)
    with pytest.raises(ClientError, match="ConditionalCheckFailed"):
        expect("product", "feed-1", "C2", 2_000_000_000)

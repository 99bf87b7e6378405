"""Outcomes of records: results of the platform, and how outcomes are counted."""

import pytest

from feeds.domain.outcomes import MAX_RECEIVES, Deferred, Failed, Processed, count_outcomes, evaluate_result


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ({"status": 201, "effect": "created"}, Processed("updated")),
        ({"status": 200, "effect": "updated"}, Processed("updated")),
        ({"status": 200}, Processed("unchanged")),
        ({"status": 409, "code": "STALE_VERSION"}, Processed("stale")),
        ({"status": 422, "code": "INVALID_REQUEST", "detail": "/currency"}, Failed("INVALID_REQUEST", "/currency")),
        ({"status": 400}, Failed("HTTP_400")),
        ({"status": 404, "code": "NOT_FOUND"}, Deferred(2, "DEPENDENCY_MISSING")),
        ({"status": 409, "code": "CONCURRENT_CHANGE"}, Deferred(2, "PLATFORM_UNAVAILABLE")),
        ({"status": 408}, Deferred(2, "PLATFORM_UNAVAILABLE")),
        ({"status": 429, "retry_after": 60}, Deferred(60, "PLATFORM_UNAVAILABLE")),
        ({"status": 429, "retry_after": "\u00b2"}, Deferred(2, "PLATFORM_UNAVAILABLE")),
        ({"status": 429, "retry_after": -5}, Deferred(2, "PLATFORM_UNAVAILABLE")),
        ({"status": 500}, Deferred(2, "PLATFORM_UNAVAILABLE")),
        ({}, Deferred(2, "PLATFORM_UNAVAILABLE")),
        ({"status": "200"}, Deferred(2, "PLATFORM_UNAVAILABLE")),
    ],
)
def test_a_result_of_the_platform_is_an_outcome_a_retry_or_a_failure(result, expected):
    assert evaluate_result(result, 1) == expected


def test_retries_wait_up_to_five_minutes_and_end_after_fifteen_deliveries():
    waits = [evaluate_result({"status": 503}, count) for count in range(1, MAX_RECEIVES)]
    assert [wait.seconds for wait in waits if isinstance(wait, Deferred)][:9] == [2, 4, 8, 16, 32, 64, 128, 256, 300]
    assert isinstance(evaluate_result({"status": 503}, MAX_RECEIVES), Failed)
    assert evaluate_result({"status": 404}, MAX_RECEIVES) == Failed(
        "DEPENDENCY_MISSING", f"after {MAX_RECEIVES} deliveries"
    )


def test_a_record_with_an_outcome_of_a_newer_version_is_pending():
    chunk = {"part": "run/0", "updated": {0}, "failed:STRANGE": {1}, "postponed": {2}, "purge_at": 1}
    assert count_outcomes([chunk]) == {"updated": 1, "unchanged": 0, "stale": 0, "failed": 1, "reasons": {"STRANGE": 1}}


def test_a_record_with_several_outcomes_counts_once_as_the_first_in_precedence():
    chunk = {"failed:DOWN": {0, 1}, "unchanged": {1, 2}, "updated": {2, 3}}
    assert count_outcomes([chunk]) == {"updated": 2, "unchanged": 1, "stale": 0, "failed": 1, "reasons": {"DOWN": 1}}

"""What an answer of the platform means for a record."""

import pytest

from feeds.domain.verdicts import MAX_RECEIVES, Done, GiveUp, Wait, verdict


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ({"status": 201, "effect": "created"}, Done("updated")),
        ({"status": 200, "effect": "updated"}, Done("updated")),
        ({"status": 200}, Done("unchanged")),
        ({"status": 409, "code": "STALE_VERSION"}, Done("stale")),
        ({"status": 422, "code": "INVALID_REQUEST", "detail": "/currency"}, GiveUp("INVALID_REQUEST", "/currency")),
        ({"status": 400}, GiveUp("HTTP_400")),
        ({"status": 404, "code": "NOT_FOUND"}, Wait(2, "DEPENDENCY_MISSING")),
        ({"status": 409, "code": "CONCURRENT_CHANGE"}, Wait(2, "PLATFORM_UNAVAILABLE")),
        ({"status": 408}, Wait(2, "PLATFORM_UNAVAILABLE")),
        ({"status": 429, "retry_after": 60}, Wait(60, "PLATFORM_UNAVAILABLE")),
        ({"status": 500}, Wait(2, "PLATFORM_UNAVAILABLE")),
        ({}, Wait(2, "PLATFORM_UNAVAILABLE")),
        ({"status": "200"}, Wait(2, "PLATFORM_UNAVAILABLE")),
    ],
)
def test_verdicts(result, expected):
    assert verdict(result, 1) == expected


def test_waits_grow_up_to_five_minutes_and_then_patience_ends():
    waits = [verdict({"status": 503}, count) for count in range(1, MAX_RECEIVES)]
    assert [wait.seconds for wait in waits if isinstance(wait, Wait)][:9] == [2, 4, 8, 16, 32, 64, 128, 256, 300]
    assert isinstance(verdict({"status": 503}, MAX_RECEIVES), GiveUp)
    assert verdict({"status": 404}, MAX_RECEIVES) == GiveUp("DEPENDENCY_MISSING", f"after {MAX_RECEIVES} deliveries")

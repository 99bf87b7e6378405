"""Token buckets and quotas on a clock that the test holds."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apigw_executor.throttles import Buckets, Limits, Quota, Quotas, TokenBucket


class Clock:
    def __init__(self, at: float = 0.0) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at


def test_burst_then_rate() -> None:
    clock = Clock()
    bucket = TokenBucket(2, 3, clock)
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]
    clock.at += 0.5
    assert [bucket.take(), bucket.take()] == [True, False]
    clock.at += 100
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]


def test_a_burst_of_zero_refuses_every_request() -> None:
    assert not TokenBucket(100, 0, Clock()).take()


@given(st.lists(st.floats(0, 2), max_size=60), st.integers(1, 5), st.floats(0.1, 10))
def test_never_more_than_burst_and_rate_allow(pauses: list[float], burst: int, rate: float) -> None:
    clock = Clock()
    bucket = TokenBucket(rate, burst, clock)
    allowed = 0
    for pause in pauses:
        clock.at += pause
        allowed += bucket.take()
    assert allowed <= burst + rate * clock.at + 1e-6


def test_threads_share_a_bucket() -> None:
    buckets = Buckets(Clock())
    outcomes: list[bool] = []

    def run() -> None:
        for _ in range(200):
            outcomes.append(buckets.take(("k",), Limits(0.0, 500)))

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(outcomes) == 500


def test_changed_limits_start_anew() -> None:
    buckets = Buckets(Clock())
    assert [buckets.take(("k",), Limits(1, 1)) for _ in range(2)] == [True, False]
    assert buckets.take(("k",), Limits(1, 2))


def test_a_share_of_every_limit():
    clock = Clock()
    buckets = Buckets(clock)
    buckets.share = 0.01
    assert [buckets.take(("k",), Limits(100, 200)) for _ in range(3)] == [True, True, False]
    clock.at += 1
    assert [buckets.take(("k",), Limits(100, 200)) for _ in range(2)] == [True, False]
    # However small the share is, a request gets through now and then; where none may, none does.
    assert [buckets.take(("small",), Limits(100, 10)) for _ in range(2)] == [True, False]
    assert not buckets.take(("none",), Limits(100, 0))


@pytest.mark.parametrize(
    ("period", "offset", "before", "after"),
    [
        ("DAY", 0, "2026-11-23T23:59:59", "2026-11-24T00:00:00"),
        ("MONTH", 0, "2026-11-30T23:59:59", "2026-12-01T00:00:00"),
        ("MONTH", 4, "2026-12-04T23:59:59", "2026-12-05T00:00:00"),
        ("WEEK", 0, "2026-11-25T23:59:59", "2026-11-26T00:00:00"),
    ],
)
def test_quota_periods(period: str, offset: int, before: str, after: str) -> None:
    clock = Clock(datetime.fromisoformat(before).replace(tzinfo=UTC).timestamp())
    quotas, quota = Quotas(clock), Quota(2, period, offset)
    assert [quotas.take(("k",), quota) for _ in range(3)] == [True, True, False]
    assert quotas.take(("other",), quota)
    clock.at = datetime.fromisoformat(after).replace(tzinfo=UTC).timestamp()
    assert [quotas.take(("k",), quota) for _ in range(3)] == [True, True, False]

"""Token buckets and quotas: stage and method throttling, usage plans.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-request-throttling.html: a token bucket where
the rate is how fast tokens come and the burst is how many it holds.
"""

from __future__ import annotations

import calendar
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

DEFAULT_RATE = 10_000.0  # requests a second, the account's limit in a Region
DEFAULT_BURST = 5_000


class TokenBucket:
    """`rate` tokens a second up to `burst`; full at the start. Safe for many threads."""

    def __init__(self, rate: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate, self.burst = rate, burst
        self._clock = clock
        self._tokens = float(burst)
        self._at = clock()
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Takes a token; False if there is none."""
        with self._lock:
            now = self._clock()
            self._tokens = min(float(self.burst), self._tokens + max(0.0, now - self._at) * self.rate)
            self._at = now
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True


@dataclass(frozen=True)
class Limits:
    """A throttle's settings, requests a second and the bucket's size."""

    rate: float = DEFAULT_RATE
    burst: int = DEFAULT_BURST


class Buckets:
    """One bucket for each key, made at the first request and replaced when its limits change.

    `share` is what counts of every limit: a machine that carries a hundredth of what AWS does sheds load as AWS would with a
    hundredth of the limits.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.share = 1.0
        self._buckets: dict[tuple[str, ...], TokenBucket] = {}
        self._lock = threading.Lock()

    def take(self, key: tuple[str, ...], limits: Limits) -> bool:
        """Takes a token of the bucket `key`; False if it has none."""
        with self._lock:
            # A bucket that holds less than one token lets nothing through.
            rate, burst = limits.rate * self.share, min(limits.burst, max(1, round(limits.burst * self.share)))
            bucket = self._buckets.get(key)
            if bucket is None or (bucket.rate, bucket.burst) != (rate, burst):
                bucket = self._buckets[key] = TokenBucket(rate, burst, self._clock)
        return bucket.take()


@dataclass(frozen=True)
class Quota:
    """A usage plan's quota: `limit` requests in each DAY, WEEK or MONTH (UTC), shifted by `offset` days."""

    limit: int
    period: str
    offset: int = 0


class Quotas:
    """Requests counted against quotas. `clock` gives seconds since the epoch."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._counts: dict[tuple[str, ...], tuple[str, int]] = {}
        self._lock = threading.Lock()

    def take(self, key: tuple[str, ...], quota: Quota) -> bool:
        """Counts one request; False if the period's quota is used up (a refused request is not counted)."""
        period = self._period(quota)
        with self._lock:
            current, count = self._counts.get(key, (period, 0))
            if current != period:
                count = 0
            if count >= quota.limit:
                return False
            self._counts[key] = (period, count + 1)
            return True

    def _period(self, quota: Quota) -> str:
        moment = time.gmtime(self._clock() - quota.offset * 86_400)
        if quota.period == "DAY":
            return time.strftime("%Y-%m-%d", moment)
        if quota.period == "WEEK":
            return str(calendar.timegm(moment) // 86_400 // 7)
        return time.strftime("%Y-%m", moment)

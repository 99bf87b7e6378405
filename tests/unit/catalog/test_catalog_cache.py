"""The catalog's cache: fresh, reloaded, stale while the platform is unavailable; and its size."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.domain import FRESH_SECONDS
from catalog.repository import RETRY_SECONDS, STALE_SECONDS, Cache, Cached
from setpieces.errors import ExternalUnavailable, Refused, RetryLater


class Platform:
    """``load`` returns how often it was called, or raises ``failure``."""

    def __init__(self) -> None:
        self.loads = 0
        self.failure: Exception | None = None

    def load(self) -> int:
        self.loads += 1
        if self.failure:
            raise self.failure
        return self.loads


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def platform() -> Platform:
    return Platform()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cache(clock: Clock) -> Cache[int]:
    return Cache(max_entries=3, clock=clock)


@pytest.mark.parametrize(("seconds", "loads"), [(0, 1), (FRESH_SECONDS - 1, 1), (FRESH_SECONDS, 2)])
def test_a_value_is_loaded_again_when_it_is_not_fresh(
    cache: Cache[int], clock: Clock, platform: Platform, seconds: int, loads: int
):
    cache.read("a", platform.load)
    clock.now += seconds
    cached = cache.read("a", platform.load)
    assert (cached.value, platform.loads) == (loads, loads)
    assert cached.age == (seconds if loads == 1 else 0)


def test_a_stale_value_is_served_for_five_minutes_while_the_platform_is_unavailable(
    cache: Cache[int], clock: Clock, platform: Platform
):
    cache.read("a", platform.load)
    platform.failure = ExternalUnavailable("commerce", "slow")
    clock.now += STALE_SECONDS - 1
    assert cache.read("a", platform.load) == Cached(1, STALE_SECONDS - 1)
    clock.now += 1
    with pytest.raises(RetryLater):
        cache.read("a", platform.load)


def test_an_unavailable_platform_is_called_once_in_five_seconds(cache: Cache[int], clock: Clock, platform: Platform):
    cache.read("a", platform.load)
    platform.failure = ExternalUnavailable("commerce", "slow")
    clock.now += FRESH_SECONDS
    for _ in range(10):
        cache.read("a", platform.load)
    assert platform.loads == 2
    clock.now += RETRY_SECONDS
    platform.failure = None
    assert cache.read("a", platform.load).value == 3


def test_a_failure_is_not_cached(cache: Cache[int], platform: Platform):
    platform.failure = ExternalUnavailable("commerce", "down")
    with pytest.raises(RetryLater):
        cache.read("a", platform.load)
    platform.failure = None
    assert cache.read("a", platform.load).value == 2


def test_a_refusal_removes_the_value(cache: Cache[int], clock: Clock, platform: Platform):
    cache.read("a", platform.load)
    clock.now += FRESH_SECONDS
    platform.failure = Refused("PRODUCT_NOT_FOUND")
    with pytest.raises(Refused):
        cache.read("a", platform.load)
    platform.failure = ExternalUnavailable("commerce", "down")
    with pytest.raises(RetryLater):
        cache.read("a", platform.load)


def test_the_least_recently_read_value_is_removed(cache: Cache[int], platform: Platform):
    for key in ("a", "b", "c", "a", "d"):
        cache.read(key, platform.load)
    assert platform.loads == 4
    cache.read("a", platform.load)
    assert platform.loads == 4
    cache.read("b", platform.load)
    assert platform.loads == 5


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 400), st.booleans()), max_size=60))
def test_no_value_is_older_than_five_minutes_and_no_cache_larger_than_its_limit(steps: list[tuple[int, int, bool]]):
    clock, platform = Clock(), Platform()
    cache: Cache[int] = Cache(max_entries=3, clock=clock)
    loaded_at = {}
    for key, pause, fails in steps:
        clock.now += pause
        platform.failure = ExternalUnavailable("commerce", "slow") if fails else None
        loads = platform.loads
        try:
            cached = cache.read(key, platform.load)
        except RetryLater:
            continue
        if platform.loads > loads and not fails:
            loaded_at[cached.value] = clock.now
        assert clock.now - loaded_at[cached.value] < STALE_SECONDS
        assert cached.age == clock.now - loaded_at[cached.value]
        assert len(cache._entries) <= 3

"""The catalog's cache: fresh, then asked again, then old rather than nothing, never too many."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.cache import ASK_AGAIN_SECONDS, FRESH_SECONDS, STALE_SECONDS, Cache, Found
from setpieces.errors import ExternalUnavailable, Refused


class Platform:
    """Answers with how often it was asked, or fails."""

    def __init__(self):
        self.asked = 0
        self.failure = None

    def load(self):
        self.asked += 1
        if self.failure:
            raise self.failure
        return self.asked


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def platform():
    return Platform()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def cache(clock):
    return Cache(max_entries=3, clock=clock)


@pytest.mark.parametrize(("later", "asked"), [(0, 1), (FRESH_SECONDS - 1, 1), (FRESH_SECONDS, 2)])
def test_values_are_fresh_for_a_while(cache, clock, platform, later, asked):
    cache.read("a", platform.load)
    clock.now += later
    found = cache.read("a", platform.load)
    assert (found.value, platform.asked) == (asked, asked)
    assert found.age == (later if asked == 1 else 0)


def test_an_old_value_is_served_while_the_platform_fails_and_no_longer_than_allowed(cache, clock, platform):
    cache.read("a", platform.load)
    platform.failure = ExternalUnavailable("commerce", "slow")
    clock.now += STALE_SECONDS - 1
    assert cache.read("a", platform.load) == Found(1, STALE_SECONDS - 1)
    clock.now += 1
    with pytest.raises(ExternalUnavailable):
        cache.read("a", platform.load)


def test_a_failing_platform_is_not_asked_by_every_request(cache, clock, platform):
    cache.read("a", platform.load)
    platform.failure = ExternalUnavailable("commerce", "slow")
    clock.now += FRESH_SECONDS
    for _ in range(10):
        cache.read("a", platform.load)
    assert platform.asked == 2
    clock.now += ASK_AGAIN_SECONDS
    platform.failure = None
    assert cache.read("a", platform.load).value == 3


def test_a_failure_without_an_old_value_is_passed_on_and_not_kept(cache, platform):
    platform.failure = ExternalUnavailable("commerce", "down")
    with pytest.raises(ExternalUnavailable):
        cache.read("a", platform.load)
    platform.failure = None
    assert cache.read("a", platform.load).value == 2


def test_a_product_that_is_gone_is_forgotten(cache, clock, platform):
    cache.read("a", platform.load)
    clock.now += FRESH_SECONDS
    platform.failure = Refused("PRODUCT_NOT_FOUND")
    with pytest.raises(Refused):
        cache.read("a", platform.load)
    platform.failure = ExternalUnavailable("commerce", "down")
    with pytest.raises(ExternalUnavailable):
        cache.read("a", platform.load)


def test_what_was_used_last_is_kept(cache, platform):
    for key in ("a", "b", "c", "a", "d"):
        cache.read(key, platform.load)
    assert platform.asked == 4
    cache.read("a", platform.load)
    assert platform.asked == 4
    cache.read("b", platform.load)
    assert platform.asked == 5


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 400), st.booleans()), max_size=60))
def test_no_value_is_older_than_allowed_and_the_cache_stays_small(steps):
    clock, platform = Clock(), Platform()
    cache = Cache(max_entries=3, clock=clock)
    loaded_at = {}
    for key, pause, fails in steps:
        clock.now += pause
        platform.failure = ExternalUnavailable("commerce", "slow") if fails else None
        asked = platform.asked
        try:
            found = cache.read(key, platform.load)
        except ExternalUnavailable:
            continue
        if platform.asked > asked and not fails:
            loaded_at[found.value] = clock.now
        assert clock.now - loaded_at[found.value] < STALE_SECONDS
        assert found.age == clock.now - loaded_at[found.value]
        assert len(cache._entries) <= 3

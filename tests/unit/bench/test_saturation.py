"""Simulations compared with closed formulas."""

import math

import pytest

from bench.saturation import counter, erlang_c, queue, ramp


@pytest.mark.parametrize("rate", [100, 500])
def test_a_counter_below_its_limit_refuses_no_request(rate: int):
    result = counter(rate, 1000)
    assert result.refused == 0
    assert result.writes_a_second == pytest.approx(rate, rel=0.1)


@pytest.mark.parametrize("rate", [1500, 3000])
def test_a_counter_above_its_limit_refuses_what_exceeds_it(rate: int):
    result = counter(rate, 1000, seconds=120)
    assert result.writes_a_second == pytest.approx(1000, rel=0.02)
    assert result.refused == pytest.approx(1 - 1000 / rate, abs=0.03)


def test_leases_move_the_limit_by_their_size():
    assert counter(20_000, 1000, seconds=20).refused > 0.9
    leased = counter(20_000, 1000, lease=100)
    assert leased.refused == 0
    assert leased.writes_a_second == pytest.approx(200, rel=0.1)


@pytest.mark.parametrize(("rate", "at_once"), [(8.0, 2), (35.0, 10), (18.0, 5)])
def test_the_mean_wait_is_that_of_erlangs_formula(rate: float, at_once: int):
    each = 0.8 * at_once / rate
    result = queue(rate, rate, at_once, each, end=6000)
    mean = sum(waited for _, waited in result.waits) / len(result.waits)
    assert mean == pytest.approx(erlang_c(rate, at_once, each), rel=0.15)


def test_erlangs_formula_with_one_server_is_that_of_one_server():
    # Utilisation ÷ (1 - utilisation) × service.
    assert erlang_c(5, 1, 0.1) == pytest.approx(0.5 / (1 - 0.5) * 0.1)


def test_the_depth_after_a_spike_is_that_of_the_fluid_model():
    usual, spike, at_once, each = 10.0, 100.0, 10, 0.25
    capacity = at_once / each
    result = queue(usual, spike, at_once, each)
    deepest = (spike - capacity) * 60
    assert result.deepest == pytest.approx(deepest, rel=0.1)
    assert result.oldest == pytest.approx(deepest / capacity, rel=0.1)
    assert result.drained == pytest.approx(deepest / (capacity - usual), rel=0.2)
    assert result.depth(119) == pytest.approx(deepest, rel=0.1)
    assert result.depth(30) < 20


def test_a_queue_with_more_arrivals_than_capacity_never_drains():
    result = queue(50, 50, 10, 0.25, end=300)
    assert math.isinf(result.drained)
    assert result.deepest == pytest.approx((50 - 40) * 300, rel=0.15)


def test_the_same_seed_gives_the_same_result():
    assert queue(10, 100, 10, 0.25) == queue(10, 100, 10, 0.25)
    assert queue(10, 100, 10, 0.25) != queue(10, 100, 10, 0.25, seed=2)
    assert counter(1100, 1000) == counter(1100, 1000)


def test_a_ramp_refuses_the_difference_between_needed_and_running_instances():
    # From 100 to 1,000 at once with 100 more a second: nine seconds, of which half is refused.
    result = ramp(usual=1000, spike=10_000, each=0.1, a_second=100, account=2000)
    assert result.seconds == pytest.approx(9, abs=0.05)
    assert result.refused == pytest.approx(900 * 9 / 2 / (1000 * 60), rel=0.01)


def test_beyond_the_accounts_limit_requests_are_always_refused():
    result = ramp(usual=1000, spike=40_000, each=0.1, a_second=100, account=1000)
    assert math.isinf(result.seconds)
    assert result.refused > 1 - 1000 / 4000

"""When a stuck order is processed again."""

from itertools import pairwise

import pytest

from local.routing import resources, templates
from orders.domain.statuses import STATUSES
from orders.domain.sweep_schedule import PAYMENT_SECONDS, remaining_payment_seconds, seconds_to_next_sweep
from setpieces.backoff import backoff_seconds

ENTERED = 1_800_000_000
PROCESSING = {"backend_status": "Payment processing", "updated_at": "2027-01-15T08:00:00Z"}


@pytest.mark.parametrize("status", [name for name, status in STATUSES.items() if not status.terminal])
def test_an_order_is_processed_again_ever_more_seldom_and_at_least_every_hour(status: str):
    waits = [seconds_to_next_sweep({"backend_status": status, "sweeps": sweeps}, 300) for sweeps in range(100)]
    first = 600 if status == "Payment processing" else 300
    assert seconds_to_next_sweep({"backend_status": status}, 300) == waits[0] == first
    assert all(later == min(2 * earlier, 3600) for earlier, later in pairwise(waits))


def test_a_stage_may_wait_longer_from_the_start():
    assert [seconds_to_next_sweep(PROCESSING | {"sweeps": sweeps}, 7200) for sweeps in (0, 1)] == [7200, 7200]


@pytest.mark.parametrize(("later", "left"), [(0, 600), (599, 1), (600, 0), (9000, -8400)])
def test_payments_is_given_the_time_that_it_takes(later: int, left: int):
    assert remaining_payment_seconds(PROCESSING, ENTERED + later) == left
    assert remaining_payment_seconds(PROCESSING | {"backend_status": "Validating"}, ENTERED + later) == 0


def test_payment_seconds_are_what_the_queue_of_payments_allows():
    receives = resources("payments", "AWS::SQS::Queue")["SubmittedQueue"]["RedrivePolicy"]["maxReceiveCount"]
    timeout = templates()["payments"]["Globals"]["Function"]["Timeout"]
    waits = sum(backoff_seconds(delivery) for delivery in range(1, receives))
    assert waits + 8 * receives <= PAYMENT_SECONDS <= waits + timeout * receives

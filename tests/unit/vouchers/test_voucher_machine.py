"""One voucher and any sequence of requests for it: orders, customers, an admin and a cancellation, while time passes."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import time_machine
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from setpieces import aws
from tests.unit.vouchers.batches import Batches
from vouchers.domain.redemptions import Redemption
from vouchers.repository import redemptions

ORDERS = ("T000000001", "T000000002", "T000000003")
orders, attempts = st.sampled_from(ORDERS), st.integers(0, 2)


class Vouchers(RuleBasedStateMachine):
    """``held`` is what the service should have: the order, the time until which it holds the voucher (None for a redemption),
    and its attempt. ``released`` has the last released attempt of each order."""

    batches: Batches
    clock: Any
    new_code: Callable[[], tuple[str, str]]

    def __init__(self) -> None:
        super().__init__()
        self.batch_id, self.code = self.new_code()
        self.held: tuple[str, datetime | None, int] | None = None
        self.released: dict[str, int] = {}
        self.cancelled = False

    def is_free(self) -> bool:
        return self.held is None or (self.held[1] is not None and self.held[1] <= now())

    def holder(self) -> str:
        return self.held[0] if self.held else ""

    @rule(seconds=st.sampled_from((1, 60, 1000)))
    def wait(self, seconds: int) -> None:
        self.clock.shift(seconds)

    @rule(order=orders, attempt=attempts, minutes=st.sampled_from((1, 15)))
    def reserve(self, order: str, attempt: int, minutes: int) -> None:
        status = self.batches.reserve(self.code, order, minutes=minutes, attempt=attempt).status
        until = now() + timedelta(minutes=minutes)
        if self.held and self.held[0] == order:
            if self.held[1] is None or attempt < self.held[2]:
                assert status == 409
                return
            assert status == 200
            self.held = order, until if attempt > self.held[2] else max(until, self.held[1]), attempt
        elif not self.is_free() or self.cancelled or attempt <= self.released.get(order, -1):
            assert status == 409
        else:
            assert status == 201
            self.held = order, until, attempt

    @rule(order=orders)
    def redeem(self, order: str) -> None:
        status = self.batches.change(self.code, "redeemed", order).status
        assert status == (200 if order == self.holder() else 409)
        if self.held and status == 200:
            self.held = order, None, self.held[2]

    @rule(order=orders, attempt=attempts)
    def release(self, order: str, attempt: int) -> None:
        status = self.batches.change(self.code, "released", order, attempt=attempt).status
        self.released[order] = max(attempt, self.released.get(order, -1))
        if self.held and self.held[0] == order:
            assert status == (409 if self.held[1] is None else 200)
            if self.held[1] is not None and self.held[2] <= attempt:
                self.held = None
        else:
            assert status == 200

    @rule(order=orders)
    def redeem_over_api(self, order: str) -> None:
        status = self.batches.redeem(self.code, order).status
        if self.held and self.held[0] == order:
            assert status == (200 if self.held[1] is None else 201)
            self.held = order, None, self.held[2]
        elif self.is_free() and not self.cancelled:
            assert status == 201
            self.held = order, None, 0
        else:
            assert status == 409

    @rule(order=orders)
    def release_as_admin(self, order: str) -> None:
        status = self.batches.release(self.code, order).status
        if self.is_free():
            assert status == 204
        elif self.held and self.held[1] is None and order == self.held[0]:
            assert status == 204
            self.held = None
        else:
            assert status == 409

    @rule()
    def cancel(self) -> None:
        assert self.batches.call("cancel_batch", batch_id=self.batch_id).status == 200
        self.cancelled = True

    @invariant()
    def one_order_has_the_voucher(self) -> None:
        stored: Redemption | None = redemptions.find(self.code)
        assert (stored is None) == (self.held is None)
        if stored and self.held:
            assert stored["order_number"] == self.held[0]
            assert ("redeemed_at" in stored) == (self.held[1] is None)
        expected = "CANCELLED" if self.cancelled else "ACTIVE"
        if self.held and not self.is_free():
            expected = "REDEEMED" if self.held[1] is None else "RESERVED"
        assert self.batches.status(self.code) == expected


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def test_any_sequence_of_requests_redeems_a_voucher_for_one_order(batches: Batches):
    def new_code() -> tuple[str, str]:
        batch_id = batches.create_complete(count=1)
        return batch_id, batches.codes(batch_id)[0]

    with time_machine.travel(datetime.now(UTC), tick=False) as clock:
        aws.client.cache_clear()
        Vouchers.batches, Vouchers.clock, Vouchers.new_code = batches, clock, staticmethod(new_code)
        run_state_machine_as_test(
            Vouchers,
            settings=settings(
                max_examples=15, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
            ),
        )

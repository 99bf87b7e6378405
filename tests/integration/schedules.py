"""Deployed schedules, fired now instead of at their time."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from tools.client import Shop, unique


@contextmanager
def fired_now(shop: Shop, schedule: str) -> Iterator[None]:
    """A schedule with the target, role, input and retries of ``setpieces-<stage>-<schedule>`` that fires once, in a second."""
    scheduler, name = shop.aws("scheduler"), unique("now")
    deployed = scheduler.get_schedule(Name=f"setpieces-{shop.stage}-{schedule}")
    scheduler.create_schedule(
        Name=name,
        ScheduleExpression=f"at({datetime.now(UTC) + timedelta(seconds=1):%Y-%m-%dT%H:%M:%S})",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target=deployed["Target"],
    )
    try:
        yield
    finally:
        scheduler.delete_schedule(Name=name)

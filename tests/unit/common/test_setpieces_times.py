"""Times as text."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from setpieces.times import to_rfc3339

MOMENT = datetime(2026, 1, 31, 13, 59, 59, 999_999, UTC)


@pytest.mark.parametrize(
    "moment",
    [MOMENT, MOMENT.astimezone(timezone(timedelta(hours=5, minutes=30))), MOMENT.timestamp(), 1_769_867_999],
    ids=["UTC", "another zone", "epoch seconds with a fraction", "epoch seconds"],
)
def test_a_time_is_written_in_utc_and_cut_to_seconds(moment: datetime | float):
    assert to_rfc3339(moment) == "2026-01-31T13:59:59Z"


def test_a_time_is_cut_to_milliseconds():
    assert to_rfc3339(MOMENT, "milliseconds") == "2026-01-31T13:59:59.999Z"
    assert to_rfc3339(MOMENT.replace(microsecond=0), "milliseconds") == "2026-01-31T13:59:59.000Z"

"""Dates and times of requests and stored items: RFC 3339 in UTC. Pure."""

import re
from datetime import UTC, date, datetime, time, timedelta

from setpieces.errors import Refused
from setpieces.times import to_rfc3339

DATE_PATTERN = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
TIME_PATTERN = r"[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})"
DESCRIPTION = "a date or a date-time with its offset from UTC (RFC 3339)"
MAX_YEARS = 10


def parse_validity(valid_from: str, valid_to: str, now: datetime) -> tuple[str, str]:
    """The first and the last second of a validity, RFC 3339 in UTC. Raises ``Refused`` INVALID_REQUEST.

    A date as ``valid_from`` is its first second, a date as ``valid_to`` its last (UTC).
    """
    start = parse_moment("/valid_from", valid_from, time.min)
    end = parse_moment("/valid_to", valid_to, time(23, 59, 59))
    if start.date() < now.date():
        raise Refused("INVALID_REQUEST", "must not be before today (UTC)", "/valid_from")
    if end <= now:
        raise Refused("INVALID_REQUEST", "must be in the future", "/valid_to")
    if end <= start:
        raise Refused("INVALID_REQUEST", "must be after valid_from", "/valid_to")
    if end > now + timedelta(days=366 * MAX_YEARS):
        raise Refused("INVALID_REQUEST", f"must be within {MAX_YEARS} years", "/valid_to")
    return to_rfc3339(start), to_rfc3339(end)


def parse_moment(pointer: str, text: str, time_of_date: time = time.min) -> datetime:
    """A date-time, or a date with ``time_of_date`` in UTC (RFC 3339, 5.6). Raises ``Refused`` INVALID_REQUEST."""
    try:
        if re.fullmatch(DATE_PATTERN, text):
            return datetime.combine(date.fromisoformat(text), time_of_date, UTC)
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Refused("INVALID_REQUEST", f"must be {DESCRIPTION}", pointer) from error

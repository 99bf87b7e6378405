"""Times as text: RFC 3339 in UTC. Pure."""

from datetime import UTC, datetime


def to_rfc3339(moment: datetime | float, timespec: str = "seconds") -> str:
    """A time or epoch seconds, cut to ``timespec``, such as "milliseconds": 2026-01-31T13:59:59Z."""
    time = moment if isinstance(moment, datetime) else datetime.fromtimestamp(moment, UTC)
    return time.astimezone(UTC).isoformat(timespec=timespec).replace("+00:00", "Z")

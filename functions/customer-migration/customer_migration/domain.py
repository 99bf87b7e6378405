"""A customer of the new platform with what the legacy platform knew of them. Pure.

source   {customer_id, source_version, updated_at?: {field: RFC 3339}, ...fields} of the legacy platform
customer {customer_id, version, updated_at: {field: RFC 3339}, source_version?, migrated_at?, ...fields} of the new one
"""

import json
from datetime import UTC, datetime
from typing import Any

# What is migrated, and its type. Identity and e-mail address are those of the sign-up; whatever else the legacy platform has
# collected stays there.
FIELDS: dict[str, type] = {"name": str, "phone": str, "addresses": list, "marketing_opt_in": bool, "language": str}

# Given back with the platform's own update, so that nobody takes it for something that the customer did.
ORIGIN = "migration"

# What the platform takes in one request.
MAX_BYTES = 32 * 1024


class BadSource(Exception):
    """A legacy customer that can never be migrated; ``reason`` is INVALID_SOURCE or OVERSIZE."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


def merge(source: Any, customer: dict[str, Any], migrated_version: int, now: datetime) -> dict[str, Any] | None:
    """The whole customer to be written; None if this version of the source, or a later one, was migrated before.

    ``migrated_version`` is what the migration table remembers; the customer's own ``source_version``, which is written together
    with the data, counts as well. Raises ``BadSource``.
    """
    check(source)
    if source["source_version"] <= max(migrated_version, customer.get("source_version", 0)):
        return None
    stamp = now.astimezone(UTC).isoformat(timespec="microseconds")
    taken = {
        name: source[name] for name in FIELDS if not _empty(source.get(name)) and not _stays(name, source, customer)
    }
    kept = {name: value for name, value in customer.items() if name != "version"}
    merged = kept | taken | {"source_version": source["source_version"], "migrated_at": stamp, "origin": ORIGIN}
    merged["updated_at"] = customer["updated_at"] | dict.fromkeys(taken, stamp)
    if len(json.dumps(merged).encode()) > MAX_BYTES:
        raise BadSource("OVERSIZE", f"the customer would have more than {MAX_BYTES} bytes")
    return merged


def check(source: Any) -> None:
    """Raises ``BadSource`` INVALID_SOURCE for anything that is not a customer of the legacy platform."""
    if not isinstance(source, dict):
        raise BadSource("INVALID_SOURCE", "not an object")
    version = source.get("source_version")
    if type(version) is not int or version < 1:
        raise BadSource("INVALID_SOURCE", "source_version must be a whole number from 1")
    for name, kind in FIELDS.items():
        if source.get(name) is not None and type(source[name]) is not kind:
            raise BadSource("INVALID_SOURCE", f"{name} must be of type {kind.__name__}")
    if not isinstance(source.get("updated_at", {}), dict):
        raise BadSource("INVALID_SOURCE", "updated_at must be an object")


def _stays(name: str, source: dict[str, Any], customer: dict[str, Any]) -> bool:
    """Whether the customer keeps their own value of a field.

    What they changed on the new site stays, even if they emptied it. What they gave when they signed up stays unless it was
    changed on the legacy platform after that. What is empty, or came from the legacy platform, makes way.
    """
    times = customer["updated_at"]
    changed_at, migrated_at = times.get(name), customer.get("migrated_at")
    if changed_at is not None and changed_at not in (_signed_up_at(times), migrated_at):
        return True
    if _empty(customer.get(name)) or changed_at == migrated_at:
        return False
    return _instant(source.get("updated_at", {}).get(name)) <= _instant(changed_at)


def _signed_up_at(times: dict[str, str]) -> str:
    """The time of the oldest field: nothing of a customer is older than their sign-up."""
    return min(times.values(), key=_instant)


def _empty(value: Any) -> bool:
    """False is an answer, not an empty field."""
    return value in (None, "", [], {})


def _instant(text: Any) -> datetime:
    """A time that can be compared; one that is missing or unreadable is the oldest."""
    oldest = datetime.min.replace(tzinfo=UTC)
    try:
        instant = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return oldest
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)

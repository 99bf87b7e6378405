"""Merges a customer of the legacy platform into a customer of the new platform. Pure.

legacy   {customer_id, source_version, updated_at?: {field: RFC 3339}, ...fields}
customer {customer_id, version, updated_at: {field: RFC 3339}, source_version?, migrated_at?, ...fields}

``source_version`` is the version of the legacy customer, ``version`` that of the new one.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from setpieces.errors import PermanentFailure

PROFILE_CREATED = ("CUSTOMER", "PROFILE", "CREATED")
PROFILE_UPDATED = ("CUSTOMER", "PROFILE", "UPDATED")

# The status of a migration.
PENDING, MIGRATED, NOT_FOUND, FAILED = "PENDING", "MIGRATED", "NOT_FOUND", "FAILED"

# The migrated fields and their types. Identity and e-mail address stay those of the sign-up; nothing else is copied.
FIELDS: dict[str, type] = {"name": str, "phone": str, "addresses": list, "marketing_opt_in": bool, "language": str}

# Marks the migration's writes: the platform's updates repeat it, so consumers do not take them for changes by the customer.
ORIGIN = "migration"

# The platform's limit for the body of a request.
MAX_BYTES = 32 * 1024


@dataclass(frozen=True)
class Outcome:
    """The result of a migration; ``reason`` explains a status other than MIGRATED."""

    status: str
    source_version: int | None = None
    reason: str | None = None


def merge(legacy: Any, customer: dict[str, Any], migrated_version: int, now: datetime) -> dict[str, Any] | None:
    """The customer to write, without ``version``; None if this legacy version, or a later one, was migrated before.

    ``migrated_version`` is the one in the migration table. The customer's own ``source_version``, which is written together
    with the data, counts as well. Raises ``PermanentFailure`` INVALID_SOURCE or OVERSIZE.
    """
    check_legacy_customer(legacy)
    if legacy["source_version"] <= max(migrated_version, customer.get("source_version", 0)):
        return None
    timestamp = now.astimezone(UTC).isoformat(timespec="microseconds")
    copied = {
        name: legacy[name]
        for name in FIELDS
        if not _is_empty(legacy.get(name)) and not _keeps_own_value(name, legacy, customer)
    }
    merged = {name: value for name, value in customer.items() if name != "version"} | copied
    merged |= {"source_version": legacy["source_version"], "migrated_at": timestamp, "origin": ORIGIN}
    merged["updated_at"] = customer["updated_at"] | dict.fromkeys(copied, timestamp)
    if len(json.dumps(merged).encode()) > MAX_BYTES:
        raise PermanentFailure("OVERSIZE", f"the customer would have more than {MAX_BYTES} bytes")
    return merged


def check_legacy_customer(legacy: Any) -> None:
    """Raises ``PermanentFailure`` INVALID_SOURCE if ``legacy`` is not a customer of the legacy platform."""
    if not isinstance(legacy, dict):
        raise PermanentFailure("INVALID_SOURCE", "the legacy customer is not an object")
    version = legacy.get("source_version")
    if type(version) is not int or version < 1:
        raise PermanentFailure("INVALID_SOURCE", "source_version must be a whole number from 1")
    for name, kind in FIELDS.items():
        if legacy.get(name) is not None and type(legacy[name]) is not kind:
            raise PermanentFailure("INVALID_SOURCE", f"{name} must be of type {kind.__name__}")
    if not isinstance(legacy.get("updated_at", {}), dict):
        raise PermanentFailure("INVALID_SOURCE", "updated_at must be an object")


def _keeps_own_value(name: str, legacy: dict[str, Any], customer: dict[str, Any]) -> bool:
    """True if the new platform's value of a field takes precedence over the legacy value.

    A value that the customer changed on the new site takes precedence, even an empty one. A value from the sign-up does, unless
    the legacy value was changed after that. A value that is empty, or was migrated before, does not.
    """
    times = customer["updated_at"]
    changed_at, migrated_at = times.get(name), customer.get("migrated_at")
    if changed_at is not None and changed_at not in (_signed_up_at(times), migrated_at):
        return True
    if _is_empty(customer.get(name)) or changed_at == migrated_at:
        return False
    return _parse_time(legacy.get("updated_at", {}).get(name)) <= _parse_time(changed_at)


def _signed_up_at(times: dict[str, str]) -> str:
    """The time of the oldest field: no field of a customer is older than their sign-up."""
    return min(times.values(), key=_parse_time)


def _is_empty(value: Any) -> bool:
    """True without a value; False is a value."""
    return value in (None, "", [], {})


def _parse_time(text: Any) -> datetime:
    """A time with an offset, UTC by default; the oldest possible time if ``text`` is missing or not a time."""
    try:
        time = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return datetime.min.replace(tzinfo=UTC)
    return time if time.tzinfo else time.replace(tzinfo=UTC)

"""Updates of the commerce platform, and the events that report them. Pure.

update {kind, id, update, occurred_at, customer_id?, version?, correlation_id?, origin?}: ``kind`` is ``order`` or ``customer``,
``id`` the order number or customer id, ``occurred_at`` RFC 3339 with an offset; ``origin`` names what changed the data if that
was not the platform itself.
"""

import re
from collections import defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from setpieces.errors import PermanentFailure

Kind = tuple[str, str, str]
T = TypeVar("T")

PROFILE_UPDATED = ("CUSTOMER", "PROFILE", "UPDATED")

# (kind, update) -> the kind of event, and for each member of its data the member of the update that holds the value.
EVENTS: dict[tuple[str, str], tuple[Kind, dict[str, str]]] = {
    ("order", "complete"): (("CHECKOUT", "ORDER", "COMPLETE"), {"order_number": "id", "customer_id": "customer_id"}),
    ("customer", "updated"): (PROFILE_UPDATED, {"customer_id": "id", "version": "version"}),
    ("customer", "login"): (("CUSTOMER", "SESSION", "LOGIN"), {"customer_id": "id"}),
}

# The shop has published these updates itself; publishing them again would loop forever.
OWN_ORIGINS = frozenset({"shop", "data-sync", "migration"})
# (origin, kind, update) published all the same: a function may have crashed between its write and its event. The relay's event
# has the same id as the function's.
REPUBLISHED = {("shop", "customer", "updated")}

REQUIRED = ("kind", "id", "update", "occurred_at")
_CORRELATION_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")


@dataclass(frozen=True)
class EventDraft:
    """An event without its id; ``correlation_id`` is None if the update has none that is well-formed."""

    kind: Kind
    data: dict[str, Any]
    occurred_at: str
    correlation_id: str | None


def draft_event(update: dict[str, Any]) -> EventDraft | None:
    """The event that reports an update; None if the shop has published it itself.

    Raises ``PermanentFailure`` INVALID_UPDATE or UNKNOWN_UPDATE.
    """
    for name in REQUIRED:
        if not isinstance(update.get(name), str):
            raise PermanentFailure("INVALID_UPDATE", f"{name} must be a string")
    if not _has_offset(update["occurred_at"]):
        raise PermanentFailure("INVALID_UPDATE", "occurred_at must be a time with its offset")
    origin = update.get("origin")
    if origin in OWN_ORIGINS and (origin, update["kind"], update["update"]) not in REPUBLISHED:
        return None
    if (update["kind"], update["update"]) not in EVENTS:
        raise PermanentFailure("UNKNOWN_UPDATE", "no event reports this kind and update")
    kind, members = EVENTS[update["kind"], update["update"]]
    data = {name: update[member] for name, member in members.items() if member in update}
    correlation_id = update.get("correlation_id")
    is_well_formed = isinstance(correlation_id, str) and _CORRELATION_ID.fullmatch(correlation_id)
    return EventDraft(kind, data, update["occurred_at"], correlation_id if is_well_formed else None)


def split_into_rounds(items: Iterable[tuple[Hashable, T]]) -> list[list[T]]:
    """The items of (group, item) pairs in rounds: the first item of each group, then the second of each group, and so on.

    Publishing round by round keeps the order within a group even if single items of a round are refused.
    """
    groups: dict[Hashable, list[T]] = defaultdict(list)
    for group, item in items:
        groups[group].append(item)
    rounds = max(map(len, groups.values()), default=0)
    return [[group[index] for group in groups.values() if index < len(group)] for index in range(rounds)]


def _has_offset(text: str) -> bool:
    """True for an ISO 8601 time with its offset from UTC."""
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False

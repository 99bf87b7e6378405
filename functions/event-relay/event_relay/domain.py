"""What the commerce platform's updates mean on the bus. Pure.

update {kind, id, update, occurred_at, customer_id?, version?, correlation_id?, origin?}: kind ``order`` or ``customer``, id the
order number or customer id, occurred_at RFC 3339 with an offset, origin who caused it if it was not the platform itself
"""

import re
from collections import defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

Kind = tuple[str, str, str]
T = TypeVar("T")

PROFILE_UPDATED = ("CUSTOMER", "PROFILE", "UPDATED")

# (kind, update) -> the event, and which member of the update each member of the event's data is.
EVENTS: dict[tuple[str, str], tuple[Kind, dict[str, str]]] = {
    ("order", "complete"): (("CHECKOUT", "ORDER", "COMPLETE"), {"order_number": "id", "customer_id": "customer_id"}),
    ("customer", "updated"): (PROFILE_UPDATED, {"customer_id": "id", "version": "version"}),
    ("customer", "login"): (("CUSTOMER", "SESSION", "LOGIN"), {"customer_id": "id"}),
}

# Updates that the shop itself caused: it has published them, and publishing them again would go round for ever.
OWN_ORIGINS = frozenset({"shop", "data-sync", "migration"})
# But for these: a function may have died between its write and its event. The relay's event has the same id as the function's.
PUBLISHED_AGAIN = {("shop", "customer", "updated")}

REQUIRED = ("kind", "id", "update", "occurred_at")
_CORRELATION_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")


class Unusable(Exception):
    """An update that can never become an event; ``reason`` is INVALID_UPDATE or UNKNOWN_UPDATE."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True)
class Meaning:
    """An event but for its id; ``correlation_id`` is None if the update names none that is well-formed."""

    kind: Kind
    data: dict[str, Any]
    occurred_at: str
    correlation_id: str | None


def meaning(update: dict[str, Any]) -> Meaning | None:
    """What ``update`` means; None if the shop caused and published it. Raises ``Unusable``."""
    for name in REQUIRED:
        if not isinstance(update.get(name), str):
            raise Unusable("INVALID_UPDATE", f"{name} must be a string")
    _check_time(update["occurred_at"])
    origin = update.get("origin")
    if origin in OWN_ORIGINS and (origin, update["kind"], update["update"]) not in PUBLISHED_AGAIN:
        return None
    if (update["kind"], update["update"]) not in EVENTS:
        raise Unusable("UNKNOWN_UPDATE", "kind and update are no event")
    kind, members = EVENTS[update["kind"], update["update"]]
    data = {name: update[member] for name, member in members.items() if member in update}
    correlation_id = update.get("correlation_id")
    well_formed = isinstance(correlation_id, str) and _CORRELATION_ID.fullmatch(correlation_id)
    return Meaning(kind, data, update["occurred_at"], correlation_id if well_formed else None)


def rounds(items: Iterable[tuple[Hashable, T]]) -> list[list[T]]:
    """(group, item) pairs in rounds: the first of every group, then the second of every group, and so on.

    Sending round by round keeps the order within each group, whatever becomes of single items of a round.
    """
    groups: dict[Hashable, list[T]] = defaultdict(list)
    for group, item in items:
        groups[group].append(item)
    longest = max(map(len, groups.values()), default=0)
    return [[group[turn] for group in groups.values() if turn < len(group)] for turn in range(longest)]


def _check_time(text: str) -> None:
    try:
        if datetime.fromisoformat(text).tzinfo is not None:
            return
    except ValueError:
        pass
    raise Unusable("INVALID_UPDATE", "occurred_at must be a time with its offset")

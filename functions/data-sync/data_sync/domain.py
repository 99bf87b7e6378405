"""Which event is synced where, what a platform is told, and what its answer means. Pure.

A sync tells a platform that something happened to a customer and which references it needs to look that up; it carries no
personal data, because the bus carries none.
"""

from dataclasses import dataclass
from typing import Any

Kind = tuple[str, str, str]


@dataclass(frozen=True)
class Spoke:
    """Where a spoke's syncs go: POST ``<collection>/<customer_id>/syncs`` of outside system ``system``.

    ``wrapped`` says that the platform takes the data in a member of its own, beside the kind of sync. ``knows_all`` says
    that the platform has every customer of the shop, so that an unknown one is a fault and not simply somebody else.
    """

    system: str
    collection: str
    wrapped: bool
    knows_all: bool


SPOKES = {
    "customer": Spoke("commerce", "customers", wrapped=True, knows_all=True),
    "wishlist": Spoke("commerce", "customers", wrapped=True, knows_all=True),
    # Not every customer is a member of the rewards programme.
    "vip": Spoke("rewards", "members", wrapped=False, knows_all=False),
}

# Event -> {spoke: purpose}. The rules of templates/data-sync.yaml are checked against this table.
SYNCS: dict[Kind, dict[str, str]] = {
    ("CUSTOMER", "SESSION", "LOGIN"): {"customer": "refresh", "vip": "refresh", "wishlist": "refresh"},
    ("CHECKOUT", "ORDER", "COMPLETE"): {"customer": "purchase", "vip": "purchase"},
    ("CUSTOMER", "PROFILE", "UPDATED"): {"customer": "profile-update"},
    ("CUSTOMER", "IDENTITY", "MISMATCH"): {"customer": "reconciliation"},
}

# What of an event's data a platform may need to look up what happened; anything else stays here.
REFERENCES = ("order_number", "version")

# What of an event's data says which occurrence it is: the relay and the service itself may publish the same one as two events.
# An event of any other kind is an occurrence of its own. The events' schemas require these members.
OCCURRENCES: dict[Kind, tuple[str, ...]] = {
    ("CHECKOUT", "ORDER", "COMPLETE"): ("order_number",),
    ("CUSTOMER", "PROFILE", "UPDATED"): ("customer_id", "version"),
}

# Platforms give it back with their own updates, so that the event relay does not turn our syncs into events again.
ORIGIN = "data-sync"

# A customer may reach a platform a little later than the first event about them.
UNKNOWN_RECEIVES = 4

DONE, LATER, UNKNOWN, REFUSED = "done", "later", "unknown", "refused"


def purpose(spoke: str, kind: Kind) -> str | None:
    """Why ``spoke`` syncs an event of this kind; None if it does not."""
    return SYNCS.get(kind, {}).get(spoke)


def occurrence(kind: Kind, event_id: str, data: dict[str, Any]) -> tuple[str, ...]:
    """What is synced once, however many events say that it happened."""
    if kind not in OCCURRENCES:
        return (event_id,)
    return (*kind, *(str(data[name]) for name in OCCURRENCES[kind]))


def sync_body(
    spoke: str, purpose: str, sync_id: str, event_id: str, occurred_at: str, data: dict[str, Any]
) -> dict[str, Any]:
    """What the platform is told.

    ``sync_id`` makes a repeat recognisable: it is this spoke's own, because the commerce platform hears of one occurrence from
    two spokes. ``event_id`` is the event behind it, ``occurred_at`` shows the platform a sync that was overtaken.
    """
    references = {name: data[name] for name in REFERENCES if name in data}
    told = {"purpose": purpose, "causation_id": event_id, "occurred_at": occurred_at, "origin": ORIGIN, **references}
    if SPOKES[spoke].wrapped:
        return {"kind": spoke, "event_id": sync_id, "data": told}
    return {"event_id": sync_id, **told}


def verdict(spoke: str, status: int, receive_count: int) -> str:
    """What follows from the platform's ``status`` on this delivery: DONE, LATER, UNKNOWN or REFUSED.

    A deleted customer (410) has nothing left to sync.
    """
    if status in (200, 201, 202, 204, 410):
        return DONE
    if status != 404:
        return REFUSED
    if receive_count < UNKNOWN_RECEIVES:
        return LATER
    return UNKNOWN if SPOKES[spoke].knows_all else DONE

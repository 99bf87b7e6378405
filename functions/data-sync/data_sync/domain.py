"""Which event is synced with which external system, what the system receives, and what its response means. Pure.

A sync says that something happened to a customer, and has the references that the system needs to look it up. It carries no
personal data, because the bus carries none.
"""

from dataclasses import dataclass
from typing import Any

from setpieces.backoff import backoff_seconds
from setpieces.errors import PermanentFailure, RetryLater

# (type, subtype, status) of an event.
Kind = tuple[str, str, str]


@dataclass(frozen=True)
class Spoke:
    """A kind of sync, and the external system that receives it by POST ``<collection>/<customer_id>/syncs``.

    ``is_wrapped`` says that the body has the kind of sync, and the data in a member of its own. ``knows_every_customer`` says
    that an unknown customer is a fault. Not every customer is a member of the rewards programme.
    """

    name: str
    system: str
    collection: str
    is_wrapped: bool
    knows_every_customer: bool


SPOKES = {
    spoke.name: spoke
    for spoke in (
        Spoke("customer", "commerce", "customers", is_wrapped=True, knows_every_customer=True),
        Spoke("wishlist", "commerce", "customers", is_wrapped=True, knows_every_customer=True),
        Spoke("vip", "rewards", "members", is_wrapped=False, knows_every_customer=False),
    )
}

# Event -> {spoke: purpose}. A test compares the rules of templates/data-sync.yaml with this table.
SYNCS: dict[Kind, dict[str, str]] = {
    ("CUSTOMER", "SESSION", "LOGIN"): {"customer": "refresh", "vip": "refresh", "wishlist": "refresh"},
    ("CHECKOUT", "ORDER", "COMPLETE"): {"customer": "purchase", "vip": "purchase"},
    ("CUSTOMER", "PROFILE", "UPDATED"): {"customer": "profile-update"},
    ("CUSTOMER", "IDENTITY", "MISMATCH"): {"customer": "reconciliation"},
}

# The members of an event's data that a system may need to look up what happened; all others stay here.
REFERENCES = ("order_number", "version")

# The members of an event's data that identify what happened: the event relay and the service itself may publish it as two
# events. Every event of another kind is an occurrence of its own. The events' schemas require these members.
OCCURRENCES: dict[Kind, tuple[str, ...]] = {
    ("CHECKOUT", "ORDER", "COMPLETE"): ("order_number",),
    ("CUSTOMER", "PROFILE", "UPDATED"): ("customer_id", "version"),
}

# Systems return it with the updates that follow from a sync, so that the event relay publishes no event for them.
ORIGIN = "data-sync"

# The first event about a customer may arrive before the customer does.
MAX_RECEIVES_OF_UNKNOWN_CUSTOMER = 4


@dataclass(frozen=True)
class Sync:
    """One sync with one external system.

    ``sync_id`` is the same for each repeat, and differs between the two spokes of the commerce platform. ``event_id`` and
    ``occurred_at`` (RFC 3339) are the event's; a system recognises by the time that a later sync has overtaken this one.
    """

    spoke: Spoke
    customer_id: str
    purpose: str
    sync_id: str
    event_id: str
    occurred_at: str
    references: dict[str, Any]

    @property
    def body(self) -> dict[str, Any]:
        """{kind, event_id, data: {purpose, causation_id, occurred_at, origin, ...}}; unwrapped {event_id, purpose, ...}."""
        data = {
            "purpose": self.purpose,
            "causation_id": self.event_id,
            "occurred_at": self.occurred_at,
            "origin": ORIGIN,
            **self.references,
        }
        if self.spoke.is_wrapped:
            return {"kind": self.spoke.name, "event_id": self.sync_id, "data": data}
        return {"event_id": self.sync_id, **data}


def find_purpose(spoke: Spoke, kind: Kind) -> str | None:
    """The purpose of the spoke's syncs for events of this kind, None if it does not sync them."""
    return SYNCS.get(kind, {}).get(spoke.name)


def select_references(data: dict[str, Any]) -> dict[str, Any]:
    """The members of an event's data that a sync repeats."""
    return {name: data[name] for name in REFERENCES if name in data}


def identify_occurrence(kind: Kind, event_id: str, data: dict[str, Any]) -> tuple[str, ...]:
    """The parts that identify what an event reports; the same for two events about one occurrence."""
    if kind not in OCCURRENCES:
        return (event_id,)
    return (*kind, *(str(data[name]) for name in OCCURRENCES[kind]))


def check_response(spoke: Spoke, status: int, receive_count: int) -> None:
    """Raise unless the system's response ends the sync.

    Raises ``RetryLater`` for an unknown customer (404) in the first deliveries; after these, ``PermanentFailure``
    UNKNOWN_CUSTOMER if the system knows every customer. Raises ``PermanentFailure`` SYNC_REFUSED for any other status than
    success and 410: a deleted customer has nothing left to sync.
    """
    if status in (200, 201, 202, 204, 410):
        return
    if status != 404:
        raise PermanentFailure("SYNC_REFUSED", f"{spoke.system} responded with {status}")
    if receive_count < MAX_RECEIVES_OF_UNKNOWN_CUSTOMER:
        raise RetryLater(backoff_seconds(receive_count), f"{spoke.system} does not know the customer yet")
    if spoke.knows_every_customer:
        raise PermanentFailure("UNKNOWN_CUSTOMER", f"{spoke.system} does not know the customer")

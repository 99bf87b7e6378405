"""Events of the bus, parsed into syncs."""

from data_sync import domain
from data_sync.domain import Spoke, Sync
from setpieces.errors import PermanentFailure
from setpieces.events import Event, derived_id


def parse_sync(spoke: Spoke, event: Event) -> Sync:
    """The sync that an event causes in a spoke. Raises ``PermanentFailure`` UNKNOWN_EVENT if the spoke does not sync it."""
    purpose = domain.find_purpose(spoke, event.kind)
    if purpose is None:
        raise PermanentFailure("UNKNOWN_EVENT", f"{spoke.name} does not sync {'/'.join(event.kind)}")
    occurrence = domain.identify_occurrence(event.kind, event.event_id, event.data)
    return Sync(
        spoke=spoke,
        customer_id=event.data["customer_id"],
        purpose=purpose,
        sync_id=derived_id("data-sync", spoke.name, *occurrence),
        event_id=event.event_id,
        occurred_at=event.occurred_at,
        references=domain.select_references(event.data),
    )

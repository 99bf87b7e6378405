"""What every spoke of data-sync does with an event: tell its platform once per occurrence."""

from collections.abc import Callable

from data_sync.domain import LATER, REFUSED, SPOKES, UNKNOWN, occurrence, purpose, sync_body, verdict
from setpieces import external
from setpieces.backoff import backoff_seconds
from setpieces.errors import ExternalUnavailable, PermanentFailure, RetryLater
from setpieces.events import Event, derived_id
from setpieces.observability import logger
from setpieces.sqs_consumer import Record

# Five records of a batch and a cold start fit into the function's 10 s.
CALL_SECONDS = 1.5


def sync_with(spoke: str) -> Callable[[Event, Record], None]:
    """The work of one spoke on one event.

    Raises ``RetryLater`` while the platform gives no answer or does not know the customer yet; ``PermanentFailure``
    UNKNOWN_EVENT, UNKNOWN_CUSTOMER, or SYNC_REFUSED for any other 4xx.
    """

    def process(event: Event, record: Record) -> None:
        why = purpose(spoke, event.kind)
        if why is None:
            raise PermanentFailure("UNKNOWN_EVENT", f"{spoke} does not sync {'/'.join(event.kind)}")
        sync_id = derived_id("data-sync", spoke, *occurrence(event.kind, event.event_id, event.data))
        body = sync_body(spoke, why, sync_id, event.event_id, event.occurred_at, event.data)
        status = _tell(spoke, event.data["customer_id"], body, record)
        outcome = verdict(spoke, status, record.receive_count)
        logger.info("sync answered", extra={"spoke": spoke, "purpose": why, "status": status, "outcome": outcome})
        if outcome == LATER:
            raise RetryLater(backoff_seconds(record.receive_count), "the platform does not know the customer yet")
        if outcome == UNKNOWN:
            raise PermanentFailure("UNKNOWN_CUSTOMER", f"{SPOKES[spoke].system} does not know the customer")
        if outcome == REFUSED:
            raise PermanentFailure("SYNC_REFUSED", f"{SPOKES[spoke].system} answered {status}")

    return process


def _tell(spoke: str, customer_id: str, body: dict[str, object], record: Record) -> int:
    to = SPOKES[spoke]
    try:
        path = (to.collection, customer_id, "syncs")
        # A platform takes a sync once per event id.
        return external.call(to.system, "POST", *path, body=body, timeout=CALL_SECONDS, repeatable=True).status
    except ExternalUnavailable as error:
        raise RetryLater(backoff_seconds(record.receive_count), str(error)) from error

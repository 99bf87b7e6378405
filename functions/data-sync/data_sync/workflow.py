"""One event in one spoke, from the queue to the external system's response."""

from collections.abc import Callable

from data_sync import clients
from data_sync.domain import SPOKES, check_response
from data_sync.requests import parse_sync
from setpieces.events import Event
from setpieces.observability import logger
from setpieces.sqs_consumer import Record


def sync_events(spoke_name: str) -> Callable[[Event, Record], None]:
    """The ``process`` function of a spoke's queue consumer, which syncs one event.

    It raises ``ExternalUnavailable``, ``RetryLater`` while the external system does not know the customer yet, and
    ``PermanentFailure`` UNKNOWN_EVENT, UNKNOWN_CUSTOMER or SYNC_REFUSED.
    """
    spoke = SPOKES[spoke_name]

    def process(event: Event, record: Record) -> None:
        sync = parse_sync(spoke, event)
        status = clients.send_sync(sync)
        logger.info("sync sent", extra={"spoke": spoke.name, "purpose": sync.purpose, "status": status})
        check_response(spoke, status, record.receive_count)

    return process

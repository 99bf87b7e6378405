"""The external systems that receive syncs."""

from data_sync.domain import Sync
from setpieces import external

# Five records of a batch and a cold start fit into the function's 10 s.
CALL_SECONDS = 1.5


def send_sync(sync: Sync) -> int:
    """Send a sync and return the HTTP status. Raises ``ExternalUnavailable``.

    It is repeatable: a system carries out one sync per ``event_id`` of its body.
    """
    path = (sync.spoke.collection, sync.customer_id, "syncs")
    return external.call(sync.spoke.system, "POST", *path, body=sync.body, timeout=CALL_SECONDS, repeatable=True).status

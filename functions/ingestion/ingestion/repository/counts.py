"""The table of counts: events by type and hour, and a mark for each counted object.

count   {counter: "<type>#<hour>", type, hour, events, purge_at}
mark    {counter: "object#<key>#<etag>/<number of the transaction's first count>", purge_at}

``purge_at`` is in epoch seconds (TTL).
"""

from collections import Counter
from datetime import datetime, timedelta

from setpieces import dynamodb
from setpieces.dynamodb import TransactionRefused
from setpieces.settings import setting

# (type, hour)
Key = tuple[str, str]

# A transaction has at most 100 items, one of which is the mark.
MAX_COUNTS = 99
# Objects of one hour write the same counts. Their transactions wait for each other, 10 seconds at most.
ATTEMPTS = 9
COUNT_RETENTION = timedelta(days=400)
# Duplicate notifications of an object come within minutes, hours at most.
MARK_RETENTION = timedelta(days=30)


def add(identity: str, events: Counter[Key], now: datetime) -> int:
    """Add the events of an object; the number added, 0 if the object was counted before.

    An object with many types takes several transactions. Each has its own mark, so a repetition continues after a crash.
    """
    entries = sorted(events.items())
    return sum(
        _add(f"object#{identity}/{start}", entries[start : start + MAX_COUNTS], now)
        for start in range(0, len(entries), MAX_COUNTS)
    )


def _add(mark: str, entries: list[tuple[Key, int]], now: datetime) -> int:
    table = setting("COUNTS_TABLE_NAME")
    mark_item = {"counter": mark, "purge_at": int((now + MARK_RETENTION).timestamp())}
    put_mark = dynamodb.put(table, mark_item, "attribute_not_exists(#counter)")
    updates = [
        dynamodb.update(
            table,
            {"counter": f"{kind}#{hour}"},
            set={"type": kind, "hour": hour, "purge_at": int((now + COUNT_RETENTION).timestamp())},
            add={"events": events},
        )
        for (kind, hour), events in entries
    ]
    try:
        dynamodb.transact([put_mark, *updates], attempts=ATTEMPTS)
    except TransactionRefused:
        return 0
    return sum(events for _, events in entries)

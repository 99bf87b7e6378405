"""How many events of each type were received in each hour, each object counted once.

{counter: "<type>#<hour>", type, hour, events, purge_at}; for what was counted {counter: "object#<key>#<etag>/<part>", purge_at}
"""

from collections import Counter
from datetime import datetime, timedelta

from setpieces import dynamodb
from setpieces.dynamodb import TransactionRefused
from setpieces.settings import setting

# A transaction has at most 100 items, and one of them says that the object was counted.
COUNTERS = 99
# Objects of one hour write the same counters; their transactions wait for each other, 10 seconds at most.
ATTEMPTS = 9
KEPT = timedelta(days=400)
# Objects are told of again within minutes, hours at most.
MARKED = timedelta(days=30)


def add(identity: str, counted: Counter[tuple[str, str]], now: datetime) -> int:
    """Add the events of an object by (type, hour); how many were added, 0 if they had been before.

    An object with many types takes several transactions, each with a mark of its own: whoever dies in between goes on there.
    """
    entries = sorted(counted.items())
    return sum(
        _add(f"object#{identity}/{start}", entries[start : start + COUNTERS], now)
        for start in range(0, len(entries), COUNTERS)
    )


def _add(mark: str, entries: list[tuple[tuple[str, str], int]], now: datetime) -> int:
    table = setting("COUNTS_TABLE_NAME")
    put_mark = dynamodb.put(
        table, {"counter": mark, "purge_at": int((now + MARKED).timestamp())}, "attribute_not_exists(#counter)"
    )
    updates = [
        dynamodb.update(
            table,
            {"counter": f"{kind}#{hour}"},
            set={"type": kind, "hour": hour, "purge_at": int((now + KEPT).timestamp())},
            add={"events": events},
        )
        for (kind, hour), events in entries
    ]
    try:
        dynamodb.transact([put_mark, *updates], attempts=ATTEMPTS)
    except TransactionRefused:
        return 0
    return sum(events for _, events in entries)

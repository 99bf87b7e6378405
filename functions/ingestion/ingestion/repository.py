"""How many events of each type were received in each hour, each object counted once.

{counter: "<type>#<hour>", type, hour, events, purge_at}; for what was counted {counter: "object#<key>#<etag>/<part>", purge_at}
"""

import random
import time
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from setpieces.aws import cancellation_codes, client
from setpieces.dynamodb_types import to_attribute, to_item
from setpieces.settings import setting

# A transaction has at most 100 items, and one of them says that the object was counted.
COUNTERS = 99
ATTEMPTS = 8
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
    put: dict[str, Any] = {
        "TableName": table,
        "Item": to_item({"counter": mark, "purge_at": int((now + MARKED).timestamp())}),
        "ConditionExpression": "attribute_not_exists(#counter)",
        "ExpressionAttributeNames": {"#counter": "counter"},
    }
    updates = [
        {
            "TableName": table,
            "Key": to_item({"counter": f"{kind}#{hour}"}),
            "UpdateExpression": "SET #type = :type, #hour = :hour, purge_at = :purge_at ADD events :events",
            "ExpressionAttributeNames": {"#type": "type", "#hour": "hour"},
            "ExpressionAttributeValues": {
                ":type": to_attribute(kind),
                ":hour": to_attribute(hour),
                ":purge_at": to_attribute(int((now + KEPT).timestamp())),
                ":events": to_attribute(events),
            },
        }
        for (kind, hour), events in entries
    ]
    items = [{"Put": put}, *({"Update": update} for update in updates)]
    for attempt in range(1, ATTEMPTS + 1):
        try:
            client("dynamodb").transact_write_items(TransactItems=items)
            break
        except ClientError as error:
            codes = cancellation_codes(error)
            if codes[:1] == ["ConditionalCheckFailed"]:
                return 0
            if "TransactionConflict" not in codes or attempt == ATTEMPTS:
                raise
            # Objects of one hour write the same counters. The other transaction ends within milliseconds.
            time.sleep(random.uniform(0, 0.05 * 2**attempt))
    return sum(events for _, events in entries)

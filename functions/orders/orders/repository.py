"""The order cache: one item per order, which is the order's outbox as well, and one or two per Idempotency-Key.

order  {order_number, customer_id, owner, history_of?, basket_id, payment_token, ship_to, backend_status, reason_code?,
        correlation_id, created_at, check_at, updated_at, expires_at, in_progress?, sweeps?, rejected_reason?, and once it is
        valid: lines, subtotal, tax, amount, currency; charge_id?}
key    {order_number: "key#<digest>", number, request, expires_at}

Times are epoch seconds but for ``updated_at``, which customers see (RFC 3339). ``in_progress`` is there until the order is in
a terminal status; the index of that name holds such orders by ``check_at``, when the sweeper looks after them. An order
writes to the index four times and a key takes 1,000 writes a second, so ``in_progress`` is one of ten keys, by the last digit
of the number. An order that has been swept since its status changed is under an eleventh, ``stuck``, and has the number of
``sweeps``. One with a ``rejected_reason`` waits for a person under a twelfth, ``rejected``, where no sweep looks. The index
``history`` holds the orders of each owner, ``history_of``; guests have none. An order expires (TTL) some time after it has
ended: until then it is the only record of what is owed to its customer.
"""

import time
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from orders.domain.statuses import (
    CANCELLED,
    PAYMENT_AUTHORIZED,
    PAYMENT_PROCESSING,
    PROCESSING_FAILED,
    STATUSES,
    VALIDATING,
    VALIDATION_FAILED,
    needs_token,
)
from orders.requests import Idempotency
from setpieces.aws import cancellation_codes, client, error_code
from setpieces.dynamodb_types import from_item, to_attribute, to_item
from setpieces.errors import Refused
from setpieces.settings import setting

Order = dict[str, Any]
IN_PROGRESS = "in-progress"
# Instead of the values that an attribute may have: any.
EXISTS = (object(),)
# The year 2286: DynamoDB keeps an order that has not ended. A number, because the mapping templates compare it with the time.
NEVER = 9_999_999_999
STUCK, REJECTED = "stuck", "rejected"
# Those that are swept. Orders that were placed before the index was spread are under the first.
PARTITIONS = (IN_PROGRESS, *(f"{IN_PROGRESS}-{digit}" for digit in range(10)), STUCK)


def numbered_before(idempotency: Idempotency) -> str | None:
    """The number of the order that was placed under a key. Raises ``Refused`` 409 if it was for another request."""
    for key in idempotency.keys:
        stored = _get(f"key#{key}")
        # DynamoDB removes expired items days late.
        if stored is None or stored["expires_at"] <= time.time():
            continue
        if stored["request"] != idempotency.request:
            raise key_reused()
        return str(stored["number"])
    return None


def key_reused() -> Refused:
    """409."""
    return Refused("IDEMPOTENCY_KEY_REUSED", "This Idempotency-Key was used for another order")


def place(order_number: str, facts: Order, idempotency: Idempotency | None) -> bool:
    """Store a new order in status Validating, with its keys if it has any; False if one of them is taken by now."""
    now = int(time.time())
    order = facts | {
        "order_number": order_number,
        "backend_status": VALIDATING,
        "created_at": now,
        "updated_at": _rfc3339(now),
        "expires_at": NEVER,
        "in_progress": _partition(order_number),
        "check_at": now + patience(),
    }
    if facts["owner"]:
        order["history_of"] = facts["owner"]
    puts: list[Any] = [_put(order, "attribute_not_exists(order_number)")]
    if idempotency:
        key = {"number": order_number, "request": idempotency.request, "expires_at": _expiry(now)}
        free = "attribute_not_exists(order_number) OR expires_at <= :now"
        puts += [_put(key | {"order_number": f"key#{digest}"}, free, {":now": now}) for digest in idempotency.keys]
    try:
        client("dynamodb").transact_write_items(TransactItems=puts)
    except ClientError as error:
        codes = cancellation_codes(error)
        if "ConditionalCheckFailed" in codes[1:] or "TransactionConflict" in codes:
            return False
        raise
    return True


def _put(item: dict[str, Any], condition: str, values: dict[str, Any] | None = None) -> dict[str, Any]:
    put = {"TableName": _table(), "Item": to_item(item), "ConditionExpression": condition}
    if values:
        put["ExpressionAttributeValues"] = to_item(values)
    return {"Put": put}


def read(order_number: str) -> Order | None:
    """The order, expired or not."""
    return _get(order_number)


def advance(order_number: str, status: str, **facts: Any) -> Order | None:
    """Move an order on to ``status`` and store ``facts`` with it (None removes one); the order as it is then.

    None, and nothing changes, if ``status`` may not follow now or there is no such order. That makes illegal, late and repeated
    changes no-ops, whoever asks for them and how often.
    """
    facts |= _entering(order_number, status, facts.get("reason_code"))
    return _change(order_number, {"backend_status": STATUSES[status].after}, facts)


def cancel(order_number: str) -> bool:
    """End an order for a person. A paid one has to be rejected: otherwise it may be completed at this moment."""
    facts = {"reason_code": PROCESSING_FAILED} | _entering(order_number, CANCELLED)
    unpaid = {"backend_status": (PAYMENT_PROCESSING,)}
    rejected = {"backend_status": (PAYMENT_AUTHORIZED,), "rejected_reason": EXISTS}
    return bool(_change(order_number, unpaid, facts) or _change(order_number, rejected, facts))


def reject(order_number: str, status: str, reason: str) -> bool:
    """Have an order that is in ``status`` wait for a person: it is swept no more, because no repeat can help it."""
    facts = {"rejected_reason": reason, "in_progress": REJECTED, "sweeps": None}
    return _change(order_number, {"backend_status": (status,)}, facts) is not None


def reopen(order_number: str) -> bool:
    """Have an order processed again that was given up (``PROCESSING_FAILED``) or rejected: only for a person's redrive.

    False also if it was reopened by an earlier attempt of the SDK, whose answer was lost.
    """
    now = int(time.time())
    again = {
        "in_progress": _partition(order_number),
        "sweeps": None,
        "check_at": now + patience(),
        "updated_at": _rfc3339(now),
    }
    given_up = {"backend_status": (VALIDATION_FAILED,), "reason_code": (PROCESSING_FAILED,)}
    restarted = again | {"backend_status": VALIDATING, "reason_code": None, "expires_at": NEVER}
    rejected = {"backend_status": (PAYMENT_PROCESSING, PAYMENT_AUTHORIZED), "rejected_reason": EXISTS}
    resumed = again | {"rejected_reason": None}
    return bool(_change(order_number, given_up, restarted) or _change(order_number, rejected, resumed))


def postpone(order: Order, seconds: int, *, swept: bool) -> bool:
    """Look after an order again in ``seconds``: False if another sweep does, or if it is in progress no longer.

    ``swept`` claims it for this sweep, which counts it as stuck until its status changes.
    """
    # Orders that were placed before an order in progress was kept have a time to expire.
    facts: Order = {"check_at": int(time.time()) + seconds, "expires_at": NEVER}
    if swept:
        facts |= {"in_progress": STUCK, "sweeps": order.get("sweeps", 0) + 1}
    expected = {name: (order[name],) for name in ("check_at", "in_progress")}
    return _change(order["order_number"], expected, facts) is not None


def count_under(partition: str) -> int:
    """How many orders are ``STUCK``: swept, without progress since; or ``REJECTED``. Beyond some 5,000, a part of them."""
    answer = client("dynamodb").query(
        TableName=_table(),
        IndexName=IN_PROGRESS,
        KeyConditionExpression="in_progress = :partition",
        ExpressionAttributeValues=to_item({":partition": partition}),
        Select="COUNT",
    )
    return int(answer["Count"])


def due(limit: int) -> list[Order]:
    """Orders that are to be looked after, oldest first: {order_number, check_at, correlation_id, backend_status}."""
    found: list[Order] = []
    for partition in PARTITIONS:
        answer = client("dynamodb").query(
            TableName=_table(),
            IndexName=IN_PROGRESS,
            KeyConditionExpression="in_progress = :in_progress AND check_at <= :now",
            ExpressionAttributeValues=to_item({":in_progress": partition, ":now": int(time.time())}),
            Limit=limit,
        )
        found += (from_item(item) for item in answer["Items"])
    return sorted(found, key=lambda order: order["check_at"])[:limit]


def _entering(order_number: str, status: str, reason_code: str | None = None) -> Order:
    """What an order is that has got ``status`` now."""
    now = int(time.time())
    facts: Order = {"backend_status": status, "updated_at": _rfc3339(now)}
    if not needs_token(status, reason_code):
        facts["payment_token"] = None
    if STATUSES[status].terminal:
        return facts | {"in_progress": None, "sweeps": None, "expires_at": _expiry(now)}
    return facts | {"in_progress": _partition(order_number), "sweeps": None, "rejected_reason": None}


def _change(order_number: str, expected: dict[str, tuple[Any, ...]], facts: Order) -> Order | None:
    """Set ``facts`` (None removes one) if attributes have one of their ``expected`` values; the changed order."""
    if () in expected.values():
        return None
    kept = {name: to_attribute(value) for name, value in facts.items() if value is not None}
    removed = [f"#{name}" for name, value in facts.items() if value is None]
    update = "SET " + ", ".join(f"#{name} = :{name}" for name in kept)
    if removed:
        update += " REMOVE " + ", ".join(removed)
    conditions, values = [], {f":{name}": value for name, value in kept.items()}
    for name, allowed in expected.items():
        if allowed is EXISTS:
            conditions.append(f"attribute_exists(#{name})")
            continue
        was = {f":{name}_was{position}": value for position, value in enumerate(allowed)}
        conditions.append(f"#{name} IN ({', '.join(was)})")
        values |= to_item(was)
    try:
        answer = client("dynamodb").update_item(
            TableName=_table(),
            Key=to_item({"order_number": order_number}),
            UpdateExpression=update,
            ConditionExpression=" AND ".join(conditions),
            ExpressionAttributeNames={f"#{name}": name for name in facts | expected},
            ExpressionAttributeValues=values,
            ReturnValues="ALL_NEW",
        )
    except ClientError as error:
        if error_code(error) != "ConditionalCheckFailedException":
            raise
        return None
    return from_item(answer["Attributes"])


def _get(key: str) -> Order | None:
    answer = client("dynamodb").get_item(TableName=_table(), Key=to_item({"order_number": key}), ConsistentRead=True)
    return from_item(answer["Item"]) if "Item" in answer else None


def _partition(order_number: str) -> str:
    return f"{IN_PROGRESS}-{order_number[-1]}"


def _table() -> str:
    return setting("TABLE_NAME")


def _expiry(now: int) -> int:
    return now + 86_400 * int(setting("ORDER_DAYS"))


def patience() -> int:
    """Seconds for which an order may make no progress before it is looked after."""
    return 60 * int(setting("STUCK_MINUTES"))


def _rfc3339(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

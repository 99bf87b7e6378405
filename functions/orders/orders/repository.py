"""Orders in DynamoDB: one item per order, which is the order's outbox as well, and one or two per Idempotency-Key.

``in_progress`` is there until the order has a terminal status; the index of that name holds such orders by ``check_at``, when
the sweep looks at them. An order writes to the index four times and a key takes 1,000 writes a second, so ``in_progress`` is
one of ten keys, by the last digit of the number. An order that has been swept since its status changed is under an eleventh,
``stuck``, and has the number of ``sweeps``. One with a ``rejected_reason`` waits for an operator under a twelfth, ``rejected``,
which is not swept. The index ``history`` holds the orders of each customer (``history_of``); guests have none. An order expires
(TTL) some time after it has ended: until then it is the only record of what is owed to its customer.
"""

import time
from datetime import UTC, datetime
from typing import Any, NotRequired, TypedDict, cast

from orders.domain.idempotency import Idempotency, idempotency_key_reused
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
from setpieces import dynamodb
from setpieces.dynamodb import ConditionFailed, TransactionRefused
from setpieces.settings import setting

Order = dict[str, Any]
IN_PROGRESS = "in-progress"
# The year 2286: DynamoDB keeps an order that has not ended. A number, because the mapping templates compare it with the time.
NEVER = 9_999_999_999
STUCK, REJECTED = "stuck", "rejected"
# The partitions that are swept. Orders that were placed before the index was spread are under the first.
PARTITIONS = (IN_PROGRESS, *(f"{IN_PROGRESS}-{digit}" for digit in range(10)), STUCK)


class StoredOrder(TypedDict):
    """The item of an order. Times are epoch seconds but for ``updated_at`` (RFC 3339), amounts in minor units."""

    order_number: str
    customer_id: str
    owner: str
    history_of: NotRequired[str]
    basket_id: str
    payment_token: NotRequired[str]
    ship_to: dict[str, str]
    backend_status: str
    reason_code: NotRequired[str]
    correlation_id: str
    created_at: int
    check_at: int
    updated_at: str
    expires_at: int
    in_progress: NotRequired[str]
    sweeps: NotRequired[int]
    rejected_reason: NotRequired[str]
    # Once the order is valid.
    lines: NotRequired[list[dict[str, Any]]]
    subtotal: NotRequired[int]
    tax: NotRequired[dict[str, Any]]
    amount: NotRequired[int]
    currency: NotRequired[str]
    charge_id: NotRequired[str]


class StoredKey(TypedDict):
    """The item of an Idempotency-Key: ``order_number`` is ``key#<digest>``, ``number`` the order's number."""

    order_number: str
    number: str
    request: str
    expires_at: int


def find_by_idempotency_key(idempotency: Idempotency) -> str | None:
    """The number of the order that was placed under a key. Raises ``Refused`` IDEMPOTENCY_KEY_REUSED."""
    for digest in idempotency.keys:
        key = cast(StoredKey | None, _get(f"key#{digest}"))
        # DynamoDB removes expired items days late.
        if key is None or key["expires_at"] <= time.time():
            continue
        if key["request"] != idempotency.request:
            raise idempotency_key_reused()
        return str(key["number"])
    return None


def create(order_number: str, order: Order, idempotency: Idempotency | None) -> bool:
    """Store a new order in status Validating, with its keys if it has any; False if one of them is taken by now."""
    now = int(time.time())
    item = order | {
        "order_number": order_number,
        "backend_status": VALIDATING,
        "created_at": now,
        "updated_at": _rfc3339(now),
        "expires_at": NEVER,
        "in_progress": _partition(order_number),
        "check_at": now + stuck_seconds(),
    }
    if order["owner"]:
        item["history_of"] = order["owner"]
    writes = [dynamodb.put(_table(), item, "attribute_not_exists(order_number)")]
    if idempotency:
        key = {"number": order_number, "request": idempotency.request, "expires_at": _expiry(now)}
        free = "attribute_not_exists(order_number) OR expires_at <= :now"
        writes += [
            dynamodb.put(_table(), key | {"order_number": f"key#{digest}"}, free, {":now": now})
            for digest in idempotency.keys
        ]
    try:
        dynamodb.transact(writes)
    except TransactionRefused as refused:
        if any(refused.failures[1:]):
            return False
        raise
    return True


def load(order_number: str) -> StoredOrder | None:
    """The order, expired or not."""
    return cast(StoredOrder | None, _get(order_number))


def advance(order_number: str, status: str, **changes: Any) -> StoredOrder | None:
    """Move an order to ``status`` and store ``changes`` with it (None removes an attribute); the order afterwards.

    None, and nothing changes, if the order is in no status that ``status`` may follow, or does not exist. So illegal, late and
    repeated changes have no effect.
    """
    changes |= _changes_on_entering(order_number, status, changes.get("reason_code"))
    return _update(order_number, changes, "backend_status IN (:before)", {":before": STATUSES[status].after})


def cancel(order_number: str) -> bool:
    """Cancel an order for an operator. A paid one has to be rejected first: otherwise it may be completed at this moment."""
    changes = {"reason_code": PROCESSING_FAILED} | _changes_on_entering(order_number, CANCELLED)
    unpaid = "backend_status = :processing"
    rejected = "backend_status = :authorized AND attribute_exists(rejected_reason)"
    return bool(
        _update(order_number, changes, unpaid, {":processing": PAYMENT_PROCESSING})
        or _update(order_number, changes, rejected, {":authorized": PAYMENT_AUTHORIZED})
    )


def reject(order_number: str, status: str, reason: str) -> bool:
    """Have an order in ``status`` wait for an operator: it is no longer swept, because no retry can help it."""
    changes = {"rejected_reason": reason, "in_progress": REJECTED, "sweeps": None}
    return _update(order_number, changes, "backend_status = :before", {":before": status}) is not None


def reopen(order_number: str) -> bool:
    """Have an order processed again that has failed (``PROCESSING_FAILED``) or was rejected: only for an operator's redrive.

    False also if it was reopened by an earlier attempt of the SDK, whose answer was lost.
    """
    now = int(time.time())
    changes = {
        "in_progress": _partition(order_number),
        "sweeps": None,
        "check_at": now + stuck_seconds(),
        "updated_at": _rfc3339(now),
    }
    restart = changes | {"backend_status": VALIDATING, "reason_code": None, "expires_at": NEVER}
    failed = "backend_status = :failed AND reason_code = :reason"
    resume = changes | {"rejected_reason": None}
    rejected = "backend_status IN (:payment) AND attribute_exists(rejected_reason)"
    return bool(
        _update(order_number, restart, failed, {":failed": VALIDATION_FAILED, ":reason": PROCESSING_FAILED})
        or _update(order_number, resume, rejected, {":payment": (PAYMENT_PROCESSING, PAYMENT_AUTHORIZED)})
    )


def defer_sweep(order: StoredOrder, seconds: int) -> bool:
    """Sweep an order again in ``seconds``. False if another sweep has claimed it or it is no longer in progress."""
    return _reschedule(order, seconds, {})


def claim_for_sweep(order: StoredOrder, seconds: int) -> bool:
    """Claim an order for this sweep and count it as stuck until its status changes; the next sweep is in ``seconds``.

    False if another sweep has claimed it or it is no longer in progress.
    """
    return _reschedule(order, seconds, {"in_progress": STUCK, "sweeps": order.get("sweeps", 0) + 1})


def _reschedule(order: StoredOrder, seconds: int, changes: Order) -> bool:
    # Orders that were placed before an order in progress was kept have a time to expire.
    changes = {"check_at": int(time.time()) + seconds, "expires_at": NEVER} | changes
    unchanged = "check_at = :check_before AND in_progress = :partition_before"
    before = {":check_before": order["check_at"], ":partition_before": order["in_progress"]}
    return _update(order["order_number"], changes, unchanged, before) is not None


def count_in_partition(partition: str) -> int:
    """The number of orders that are ``STUCK`` (swept, no progress since) or ``REJECTED``; only a part of more than 5,000."""
    return dynamodb.count(_table(), "in_progress = :partition", {":partition": partition}, index=IN_PROGRESS)


def list_due(limit: int) -> list[Order]:
    """Orders that are due for a sweep, oldest first: {order_number, check_at, correlation_id, backend_status}."""
    orders: list[Order] = []
    for partition in PARTITIONS:
        values = {":partition": partition, ":now": int(time.time())}
        condition = "in_progress = :partition AND check_at <= :now"
        orders += dynamodb.query(_table(), condition, values, index=IN_PROGRESS, limit=limit)
    return sorted(orders, key=lambda order: order["check_at"])[:limit]


def stuck_seconds() -> int:
    """Seconds without progress after which an order is swept."""
    return 60 * int(setting("STUCK_MINUTES"))


def _changes_on_entering(order_number: str, status: str, reason_code: str | None = None) -> Order:
    """What a new ``status`` changes in an order besides itself; None removes an attribute."""
    now = int(time.time())
    changes: Order = {"backend_status": status, "updated_at": _rfc3339(now)}
    if not needs_token(status, reason_code):
        changes["payment_token"] = None
    if STATUSES[status].terminal:
        return changes | {"in_progress": None, "sweeps": None, "expires_at": _expiry(now)}
    return changes | {"in_progress": _partition(order_number), "sweeps": None, "rejected_reason": None}


def _update(order_number: str, changes: Order, condition: str, values: dict[str, Any]) -> StoredOrder | None:
    """The order after ``changes`` (None removes an attribute); None if the condition does not hold."""
    if () in values.values():
        return None  # no status may precede this one
    try:
        order = dynamodb.update_if(
            _table(), {"order_number": order_number}, set=changes, condition=condition, values=values
        )
    except ConditionFailed:
        return None
    return cast(StoredOrder, order)


def _get(key: str) -> Order | None:
    return dynamodb.get(_table(), {"order_number": key})


def _partition(order_number: str) -> str:
    return f"{IN_PROGRESS}-{order_number[-1]}"


def _table() -> str:
    return setting("TABLE_NAME")


def _expiry(now: int) -> int:
    return now + 86_400 * int(setting("ORDER_DAYS"))


def _rfc3339(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

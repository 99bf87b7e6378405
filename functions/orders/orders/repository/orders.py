"""Orders in DynamoDB: an item for each order, which is the order's outbox as well, for each Idempotency-Key, and for each lock.

``in_progress`` is there until the order is closed: it has a terminal status, and what it reserved is given back or taken. The
index of that name holds such orders by ``check_at``, when the sweep looks at them. Meanwhile the item ``basket#<basket_id>``
locks the basket: there is one order of a basket in progress at most. A lock whose order is not in progress counts as free.

An order that nothing goes wrong with writes to the index six times: when it is created, at each of three changes of status (the
last one also changes ``check_at``, which is a key: two writes), and when it is closed. A key takes 1,000 writes a second, so
``in_progress`` is one of ten keys, by the last digit of the number. An order that has been swept since its status changed is
under an eleventh, ``stuck``, and has the number of ``sweeps``. One with a ``rejected_reason`` waits for an operator under a
twelfth, ``rejected``: it is not swept, but ``check_at`` says when what it holds is renewed.

The index ``history`` holds the orders of each customer (``history_of``), with five writes each; guests have none. An order
expires (TTL) some time after it is closed: until then it is the only record of what is owed to its customer.
"""

import time
from typing import Any, NotRequired, TypedDict, cast

from orders.domain.idempotency import Idempotency, idempotency_key_reused
from orders.domain.locks import basket_ordered
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
from orders.repository import quotations
from setpieces import dynamodb
from setpieces.dynamodb import ConditionFailed, TransactionRefused
from setpieces.settings import setting
from setpieces.times import to_rfc3339

Order = dict[str, Any]
IN_PROGRESS = "in-progress"
# The year 2286: DynamoDB keeps an order that has not ended. A number, because the mapping templates compare it with the time.
NEVER = 9_999_999_999
STUCK, REJECTED = "stuck", "rejected"
# The partitions that are swept. Orders that were placed before the index was spread are under the first.
PARTITIONS = (IN_PROGRESS, *(f"{IN_PROGRESS}-{digit}" for digit in range(10)), STUCK)
LOCK = "basket#"
SAME_ATTEMPT = "(attempt = :attempt OR attribute_not_exists(attempt))"


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
    email: NotRequired[str]
    # How often an operator has restarted the order; reservations are those of one attempt. Orders of an older version have
    # none, and lock no basket.
    attempt: NotRequired[int]
    # Why the order was invalid when it was placed; then it has no snapshot.
    invalid_reason: NotRequired[str]
    # The snapshot of what was confirmed (``domain.snapshots``). Orders of an older version have one once they are valid, and no
    # ``basket_version``.
    basket_version: NotRequired[int]
    lines: NotRequired[list[dict[str, Any]]]
    delivery: NotRequired[dict[str, Any]]
    discounts: NotRequired[list[dict[str, Any]]]
    subtotal: NotRequired[int]
    tax: NotRequired[dict[str, Any]]
    amount: NotRequired[int]
    currency: NotRequired[str]
    prices_checked: NotRequired[bool]
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


def create(order_number: str, order: Order, idempotency: Idempotency | None, quotation_id: str = "") -> bool:
    """Store a new order in status Validating, with its keys, and lock its basket; False if one of its keys is taken by now.

    Raises ``Refused`` BASKET_ORDERED if an order of the basket is in progress, or if the quotation was ordered.
    """
    return _create(order_number, order, idempotency, quotation_id)


def _create(
    order_number: str, order: Order, idempotency: Idempotency | None, quotation_id: str, ended: str = ""
) -> bool:
    """``create``; ``ended`` is the number of an order that is not in progress and still locks the basket."""
    now = int(time.time())
    item = order | {
        "order_number": order_number,
        "backend_status": VALIDATING,
        "attempt": 0,
        "created_at": now,
        "updated_at": to_rfc3339(now),
        "expires_at": NEVER,
        "in_progress": _partition(order_number),
        "check_at": now + stuck_seconds(),
    }
    if order["owner"]:
        item["history_of"] = order["owner"]
    writes = {
        "order": dynamodb.put(_table(), item, "attribute_not_exists(order_number)"),
        "lock": _lock(order["basket_id"], order_number, ended),
    }
    if quotation_id:
        writes["quotation"] = quotations.mark_ordered(quotation_id, order_number)
    keys = {f"key#{digest}" for digest in idempotency.keys} if idempotency else set()
    key = {"number": order_number, "request": idempotency and idempotency.request, "expires_at": _expiry(now)}
    free = "attribute_not_exists(order_number) OR expires_at <= :now"
    writes |= {name: dynamodb.put(_table(), key | {"order_number": name}, free, {":now": now}) for name in sorted(keys)}
    try:
        dynamodb.transact([*writes.values()])
    except TransactionRefused as refused:
        failures = {name: failure for name, failure in zip(writes, refused.failures, strict=True) if failure}
        if keys & failures.keys():
            return False
        if "order" in failures:
            raise
        if failures.keys() == {"lock"} and not ended:
            holder = str((failures["lock"].item or {}).get("number"))
            if not _is_in_progress(holder):
                return _create(order_number, order, idempotency, quotation_id, holder)
        raise basket_ordered() from refused
    return True


def is_locked(basket_id: str) -> bool:
    """True if an order of the basket is in progress."""
    lock = _get(f"{LOCK}{basket_id}")
    return lock is not None and _is_in_progress(lock["number"])


def _is_in_progress(order_number: str) -> bool:
    order = load(order_number)
    return order is not None and "in_progress" in order


def _lock(basket_id: str, order_number: str, ended: str = "") -> dynamodb.Write:
    """Lock a basket for an order, or replace the lock that ``ended`` has left behind.

    A version of before the locks closes orders without unlocking their baskets, in a canary or after a rollback. Such an order
    is not reopened while its lock is there, so it stays out of those in progress.
    """
    item = {"order_number": f"{LOCK}{basket_id}", "number": order_number}
    if ended:
        return dynamodb.put(_table(), item, "#number = :ended", {":ended": ended})
    return dynamodb.put(_table(), item, "attribute_not_exists(order_number)")


def load(order_number: str) -> StoredOrder | None:
    """The order, expired or not."""
    return cast(StoredOrder | None, _get(order_number))


def advance(order_number: str, status: str, *, attempt: int | None = None, **changes: Any) -> StoredOrder | None:
    """Move an order to ``status`` and store ``changes`` with it (None removes an attribute); the order afterwards.

    None, and nothing changes, if the order is in no status that ``status`` may follow, does not exist, or was restarted since
    ``attempt``. So illegal, late and repeated changes have no effect.
    """
    changes |= _changes_on_entering(order_number, status, changes.get("reason_code"))
    condition = "backend_status IN (:before)"
    values: dict[str, Any] = {":before": STATUSES[status].after}
    if attempt is not None:
        condition, values = f"{condition} AND {SAME_ATTEMPT}", values | {":attempt": attempt}
    return _update(order_number, changes, condition, values)


def add_snapshot(order: StoredOrder, snapshot: Order) -> StoredOrder | None:
    """Add the snapshot to an order that an older version has stored without one; None if it is there by now."""
    condition = "backend_status = :validating AND attribute_not_exists(#lines)"
    return _update(order["order_number"], snapshot, condition, {":validating": VALIDATING})


def close(order: StoredOrder) -> bool:
    """Take an order with a terminal status, whose reservations are settled, out of those in progress, and unlock its basket.

    False if it was closed or restarted in the meantime.
    """
    changes: Order = {"in_progress": None, "sweeps": None, "expires_at": _expiry(int(time.time()))}
    ended = f"backend_status = :status AND attribute_exists(in_progress) AND {SAME_ATTEMPT}"
    values = {":status": order["backend_status"], ":attempt": order.get("attempt", 0)}
    key, lock = {"order_number": order["order_number"]}, {"order_number": f"{LOCK}{order['basket_id']}"}
    writes = [dynamodb.update(_table(), key, set=changes, condition=ended, values=values)]
    if "attempt" in order:
        # It is this order's: the order is in progress, and another one could not be placed.
        writes.append(dynamodb.delete(_table(), lock))
    try:
        dynamodb.transact(writes)
    except TransactionRefused:
        return False
    return True


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


def reopen(order: StoredOrder, attempt: int | None = None) -> bool:
    """Have an order processed again that has failed (``PROCESSING_FAILED``) or was rejected: only for an operator's redrive.

    A failed one starts the attempt after ``attempt``, by default after the one that ``order`` has. False if the order is in
    another attempt, as after an earlier redrive, or an earlier attempt of the SDK whose answer was lost. Raises ``Refused``
    BASKET_ORDERED while the basket is locked: by another order, or by this one, which has to be closed first.
    """
    number, now = order["order_number"], int(time.time())
    attempt = order.get("attempt", 0) if attempt is None else attempt
    changes = {
        "in_progress": _partition(number),
        "sweeps": None,
        "check_at": now + stuck_seconds(),
        "updated_at": to_rfc3339(now),
    }
    restart = changes | {"backend_status": VALIDATING, "reason_code": None, "expires_at": NEVER, "attempt": attempt + 1}
    failed = f"backend_status = :failed AND reason_code = :reason AND {SAME_ATTEMPT}"
    values = {":failed": VALIDATION_FAILED, ":reason": PROCESSING_FAILED, ":attempt": attempt}
    resume = changes | {"rejected_reason": None}
    rejected = "backend_status IN (:payment) AND attribute_exists(rejected_reason)"
    try:
        update = dynamodb.update(_table(), {"order_number": number}, set=restart, condition=failed, values=values)
        dynamodb.transact([update, _lock(order["basket_id"], number)])
    except TransactionRefused as refused:
        if refused.failures[0] is None:
            raise basket_ordered() from refused
        return _update(number, resume, rejected, {":payment": (PAYMENT_PROCESSING, PAYMENT_AUTHORIZED)}) is not None
    return True


def defer_sweep(order: StoredOrder, seconds: int) -> bool:
    """Sweep or renew an order again in ``seconds``. False if another sweep has claimed it or it is no longer in progress."""
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
    return _list_due(PARTITIONS, limit)


def list_due_rejected(limit: int) -> list[Order]:
    """Orders that wait for an operator and whose reservations are due to be renewed, as ``list_due``."""
    return _list_due((REJECTED,), limit)


def _list_due(partitions: tuple[str, ...], limit: int) -> list[Order]:
    orders: list[Order] = []
    for partition in partitions:
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
    changes: Order = {"backend_status": status, "updated_at": to_rfc3339(now)}
    if not needs_token(status, reason_code):
        changes["payment_token"] = None
    if STATUSES[status].terminal:
        # It is closed next. If that fails, it is swept.
        changes["check_at"] = now + stuck_seconds()
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

"""Baskets in DynamoDB: one item per basket, so that every change is one conditional write.

The SDK repeats a call whose answer was lost. The condition of the repeated call fails, and an addition finds its own response
in ``answers``, a PATCH or DELETE its own ``write_id``, an order itself in ``held_by`` or ``closed_orders``.
"""

import random
import time
from collections.abc import Callable
from typing import Any, NotRequired, TypedDict, cast

from basket.domain import (
    LIFETIME_SECONDS,
    Basket,
    Line,
    OrderAttempt,
    Precondition,
    RecordedResponse,
    basket_not_found,
    check_open,
    line_not_found,
)
from setpieces import dynamodb
from setpieces.dynamodb import ConditionFailed
from setpieces.errors import RetryLater
from setpieces.settings import setting
from setpieces.stored import from_stored, to_stored

MAX_TRIES = 8


class StoredLine(TypedDict):
    quantity: int
    unit_price: int
    price_version: int


class StoredResponse(TypedDict):
    """``key`` and ``request`` are digests."""

    key: str
    request: str
    status: int
    body: dict[str, Any]


class StoredOrderAttempt(TypedDict):
    order_number: str
    attempt: int


class StoredBasket(TypedDict):
    """The item of a basket. ``expires_at`` (TTL) is in epoch seconds. An open basket has no ``held_by``."""

    basket_id: str
    version: int
    currency: str
    lines: dict[str, StoredLine]
    answers: list[StoredResponse]
    expires_at: int
    write_id: NotRequired[str]
    held_by: NotRequired[StoredOrderAttempt]
    closed_orders: NotRequired[list[StoredOrderAttempt]]
    ended_version: NotRequired[int]
    sold_version: NotRequired[int]


def load(basket_id: str, now: int) -> Basket:
    """The basket at ``now``."""
    return _to_basket(basket_id, dynamodb.get(_table(), {"basket_id": basket_id}), now)


def save(basket: Basket, change: Callable[[Basket], Basket], now: int) -> Basket:
    """Apply ``change`` and save the result if the stored version is unchanged; otherwise retry on the stored basket
    (optimistic locking).

    Returns the basket afterwards; one that ``change`` returns as it was is not written. Raises what ``change`` raises, and
    ``RetryLater`` BASKET_BUSY if other requests keep changing the basket.
    """
    for tries in range(MAX_TRIES):
        time.sleep(random.uniform(0, 0.02 * tries))
        changed = change(basket)
        if changed is basket:
            return basket
        try:
            _put(changed, basket.version)
            return changed
        except ConditionFailed as failed:
            basket = _to_basket(basket.basket_id, failed.item, now)
    raise RetryLater(1, "Others keep changing this basket; nothing was changed", "BASKET_BUSY")


def remove_line(basket_id: str, sku: str, precondition: Precondition, write_id: str, now: int) -> Basket:
    """Remove a line from a basket, without reading it first: the change only depends on the line's presence.

    Returns the basket afterwards. Raises ``Refused`` BASKET_NOT_FOUND, BASKET_ORDERED, BASKET_CHANGED, LINE_NOT_FOUND.
    """
    condition = "attribute_exists(#lines.#sku) AND expires_at > :now AND attribute_not_exists(held_by)"
    condition += " AND write_id <> :write_id"
    values: dict[str, Any] = {"#sku": sku, ":now": now, ":write_id": write_id}
    if precondition.versions:
        condition += " AND version IN (:versions)"
        values[":versions"] = sorted(precondition.versions)
    try:
        item = dynamodb.update_if(
            _table(),
            {"basket_id": basket_id},
            set={"expires_at": now + LIFETIME_SECONDS, "write_id": write_id},
            add={"version": 1},
            remove=[("lines", sku)],
            condition=condition,
            values=values,
        )
    except ConditionFailed as failed:
        stored = _to_basket(basket_id, failed.item, now)
        if stored.write_id == write_id:
            return stored
        if not stored.exists:
            raise basket_not_found() from failed
        check_open(stored)
        precondition.check(stored)
        raise line_not_found() from failed
    return _to_basket(basket_id, item, now)


def _put(basket: Basket, version: int) -> None:
    if version:
        dynamodb.put_if(_table(), _to_item(basket), "version = :version", {":version": version})
    else:
        dynamodb.put_if(_table(), _to_item(basket), "attribute_not_exists(basket_id)")


def _table() -> str:
    return setting("TABLE_NAME")


def _to_item(basket: Basket) -> dict[str, Any]:
    return to_stored(basket) | {
        "lines": {sku: to_stored(line) for sku, line in basket.lines.items()},
        "answers": [to_stored(response) for response in basket.answers],
        "held_by": to_stored(basket.held_by) if basket.held_by else None,
        "closed_orders": [to_stored(order) for order in basket.closed_orders],
    }


def _to_basket(basket_id: str, item: dict[str, Any] | None, now: int) -> Basket:
    if not item:
        return Basket(basket_id)
    stored = cast(StoredBasket, item)
    held_by = stored.get("held_by")
    members = {
        "lines": {sku: from_stored(Line, line) for sku, line in stored["lines"].items()},
        "answers": tuple(from_stored(RecordedResponse, response) for response in stored["answers"]),
        "held_by": from_stored(OrderAttempt, held_by) if held_by else None,
        "closed_orders": tuple(from_stored(OrderAttempt, order) for order in stored.get("closed_orders", ())),
    }
    return from_stored(Basket, {**stored, **members}).as_of(now)

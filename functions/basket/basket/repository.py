"""Baskets in DynamoDB: one item per basket, so that every change is one conditional write.

The SDK repeats a call whose answer was lost. A repeated PutItem of an addition fails the condition and finds
its own response in ``answers``; a PATCH or DELETE finds its own ``write_id``.
"""

import random
import secrets
import time
from collections.abc import Callable
from typing import Any, NotRequired, TypedDict, cast

from basket.domain import (
    LIFETIME_SECONDS,
    Basket,
    Line,
    Precondition,
    RecordedResponse,
    basket_not_found,
    line_not_found,
)
from setpieces import dynamodb
from setpieces.dynamodb import ConditionFailed
from setpieces.errors import RetryLater
from setpieces.settings import setting
from setpieces.stored import from_stored, to_stored

MAX_TRIES = 8
Change = Callable[[Basket], tuple[Basket, RecordedResponse]]
# {path in the item: new value, None to remove it}
Members = dict[tuple[str, ...], Any]


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


class StoredBasket(TypedDict):
    """The item of a basket. ``expires_at`` (TTL) is in epoch seconds."""

    basket_id: str
    version: int
    currency: str
    lines: dict[str, StoredLine]
    answers: list[StoredResponse]
    expires_at: int
    write_id: NotRequired[str]


def load(basket_id: str, now: int) -> Basket:
    """The basket at ``now``."""
    return _to_basket(basket_id, dynamodb.get(_table(), {"basket_id": basket_id}), now)


def save(basket: Basket, change: Change, now: int) -> RecordedResponse:
    """Apply ``change`` and save the result if the stored version is unchanged; otherwise retry on the stored basket
    (optimistic locking).

    Returns the response that ``change`` gave; a basket that ``change`` returned as it was is not written. Raises what
    ``change`` raises, and ``RetryLater`` BASKET_BUSY if other requests keep changing the basket.
    """
    for tries in range(MAX_TRIES):
        time.sleep(random.uniform(0, 0.02 * tries))
        changed, response = change(basket)
        if changed is basket:
            return response
        try:
            _put(changed, basket.version)
            return response
        except ConditionFailed as failed:
            basket = _to_basket(basket.basket_id, failed.item, now)
    raise RetryLater(1, "Others keep changing this basket; nothing was changed", "BASKET_BUSY")


def set_line(basket_id: str, sku: str, line: Line, precondition: Precondition, now: int) -> Basket:
    """Replace a line of a basket; the basket afterwards.

    Raises ``Refused`` BASKET_NOT_FOUND, LINE_NOT_FOUND, BASKET_CHANGED.
    """
    members: Members = {("lines", sku, name): value for name, value in to_stored(line).items()}
    return _update(basket_id, sku, members, precondition, now)


def remove_line(basket_id: str, sku: str, precondition: Precondition, now: int) -> Basket:
    """Remove a line from a basket; the basket afterwards. Raises ``Refused`` as ``set_line`` does."""
    return _update(basket_id, sku, {("lines", sku): None}, precondition, now)


def _put(basket: Basket, version: int) -> None:
    if version:
        dynamodb.put_if(_table(), _to_item(basket), "version = :version", {":version": version})
    else:
        dynamodb.put_if(_table(), _to_item(basket), "attribute_not_exists(basket_id)")


def _update(basket_id: str, sku: str, members: Members, precondition: Precondition, now: int) -> Basket:
    """Change one line in place, without reading the basket first: the change only depends on the line's presence."""
    write_id = secrets.token_hex(8)
    condition = "attribute_exists(#lines.#sku) AND expires_at > :now AND write_id <> :write_id"
    values: dict[str, Any] = {"#sku": sku, ":now": now, ":write_id": write_id}
    if precondition.versions:
        condition += " AND version IN (:versions)"
        values[":versions"] = sorted(precondition.versions)
    try:
        item = dynamodb.update_if(
            _table(),
            {"basket_id": basket_id},
            set={**members, ("expires_at",): now + LIFETIME_SECONDS, ("write_id",): write_id},
            add={"version": 1},
            condition=condition,
            values=values,
        )
    except ConditionFailed as failed:
        stored = _to_basket(basket_id, failed.item, now)
        if stored.write_id == write_id:
            return stored
        if not stored.exists:
            raise basket_not_found() from failed
        precondition.check(stored)
        raise line_not_found() from failed
    return _to_basket(basket_id, item, now)


def _table() -> str:
    return setting("TABLE_NAME")


def _to_item(basket: Basket) -> dict[str, Any]:
    lines = {sku: to_stored(line) for sku, line in basket.lines.items()}
    return to_stored(basket) | {"lines": lines, "answers": [to_stored(response) for response in basket.answers]}


def _to_basket(basket_id: str, item: dict[str, Any] | None, now: int) -> Basket:
    if not item:
        return Basket(basket_id)
    stored = cast(StoredBasket, item)
    lines = {sku: from_stored(Line, line) for sku, line in stored["lines"].items()}
    answers = tuple(from_stored(RecordedResponse, response) for response in stored["answers"])
    return from_stored(Basket, {**stored, "lines": lines, "answers": answers}).as_of(now)

"""Quotations in a table of their own: what a shopper confirms, for a day.

The items hold voucher codes, which are secrets: the table is encrypted, and nothing logs them.
"""

import secrets
import time
from typing import Any, NotRequired, TypedDict, cast

from orders.domain.quotations import ConfirmedQuotation, Quotation, Terms
from setpieces import dynamodb
from setpieces.settings import setting

# Longer than it is valid, so that an order of an outdated quotation gets a new one.
KEPT_SECONDS = 86_400
# 256 random bits: who knows the id of a quotation can order it.
ID_BYTES = 32


class StoredQuotation(TypedDict):
    """Times are epoch seconds; ``digest`` is that of all that is confirmed, ``lines`` are {sku, name, unit_price}."""

    quotation_id: str
    basket_id: str
    ship_to: dict[str, str]
    delivery_method: str
    voucher_codes: list[str]
    digest: str
    lines: list[dict[str, Any]]
    valid_until: int
    expires_at: int
    order_number: NotRequired[str]


def new_id() -> str:
    return secrets.token_urlsafe(ID_BYTES)


def valid_until() -> int:
    """When a quotation that is made now ends, in epoch seconds."""
    return int(time.time()) + 60 * int(setting("QUOTATION_MINUTES"))


def create(quotation: Quotation) -> None:
    """Store a new quotation, with those of its vouchers that pay."""
    terms = quotation.terms
    item: StoredQuotation = {
        "quotation_id": quotation.quotation_id,
        "basket_id": terms.basket_id,
        "ship_to": terms.ship_to,
        "delivery_method": terms.delivery_method,
        "voucher_codes": [discount.code for discount in quotation.price.discounts],
        "digest": quotation.confirmed_digest(),
        "lines": [
            {"sku": each.sku, "name": each.name, "unit_price": each.unit_price} for each in quotation.price.lines
        ],
        "valid_until": quotation.valid_until,
        "expires_at": int(time.time()) + KEPT_SECONDS,
    }
    dynamodb.put_if(_table(), cast(dict[str, Any], item))


def load(quotation_id: str) -> ConfirmedQuotation | None:
    """The quotation, valid or not; None if there is none any more."""
    item = cast(StoredQuotation | None, dynamodb.get(_table(), {"quotation_id": quotation_id}))
    # DynamoDB removes expired items days late.
    if item is None or item["expires_at"] <= time.time():
        return None
    terms = Terms(item["basket_id"], item["ship_to"], item["delivery_method"], tuple(item["voucher_codes"]))
    return ConfirmedQuotation(
        quotation_id, terms, item["digest"], item["lines"], item["valid_until"], item.get("order_number", "")
    )


def mark_ordered(quotation_id: str, order_number: str) -> dynamodb.Write:
    """The write, of a transaction, that has the quotation ordered once."""
    key, changes = {"quotation_id": quotation_id}, {"order_number": order_number}
    return dynamodb.update(_table(), key, set=changes, condition="attribute_not_exists(order_number)")


def _table() -> str:
    return setting("QUOTATIONS_TABLE_NAME")

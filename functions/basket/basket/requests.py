"""Requests to a basket, parsed into commands."""

import re
import secrets
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from basket.domain import MAX_LINES, Idempotency, OrderAttempt, Precondition, line_not_found
from setpieces.entity_tags import parse_if_match
from setpieces.errors import Refused
from setpieces.fields import ORDER_NUMBER, SKU
from setpieces.idempotency import key_digest, payload_digest
from setpieces.json_body import JsonBody
from setpieces.rest_api import Request

# The id is all that a caller needs: 22 characters have room for 128 random bits in base64, and a UUID has 36.
_BASKET_ID = re.compile(r"[A-Za-z0-9_-]{22,64}")
_QUANTITY = {"type": "integer", "minimum": 1, "description": "a whole number of at least 1"}
# No basket has it.
NO_VERSION = frozenset({-1})

NEW_ITEM = JsonBody(
    {
        "type": "object",
        "required": ["sku", "quantity"],
        "properties": {
            "sku": SKU,
            "quantity": _QUANTITY,
        },
        "additionalProperties": False,
    }
)
QUANTITY_CHANGE = JsonBody(
    {
        "type": "object",
        "required": ["quantity"],
        "properties": {"quantity": _QUANTITY},
        "additionalProperties": False,
    }
)
ORDER_STATE = JsonBody(
    {
        "type": "object",
        "required": ["state"],
        "properties": {
            "state": {
                "type": "string",
                "enum": ["in_progress", "failed", "complete"],
                "description": "in_progress, failed or complete",
            },
            "attempt": {"type": "integer", "minimum": 0, "description": "a whole number"},
            "basket_version": {"type": "integer", "minimum": 0, "description": "a whole number"},
            "lines": {
                "type": "array",
                "minItems": 1,
                "maxItems": MAX_LINES,
                "description": f"a list of 1 to {MAX_LINES} lines",
                "items": {
                    "type": "object",
                    "required": ["sku", "quantity"],
                    "properties": {"sku": SKU, "quantity": _QUANTITY},
                    "additionalProperties": False,
                    "description": "a line",
                },
            },
        },
        "additionalProperties": False,
    }
)


@dataclass(frozen=True)
class AddItem:
    """Add ``quantity`` of a product to a basket, which is created if there is none."""

    basket_id: str = field(repr=False)
    sku: str
    quantity: int
    precondition: Precondition
    idempotency: Idempotency


@dataclass(frozen=True)
class ChangeItem:
    """Give a line of a basket another quantity, at the present price. ``write_id`` is random."""

    basket_id: str = field(repr=False)
    sku: str
    quantity: int
    precondition: Precondition
    write_id: str


@dataclass(frozen=True)
class RemoveItem:
    """Remove a line from a basket. ``write_id`` is random."""

    basket_id: str = field(repr=False)
    sku: str
    precondition: Precondition
    write_id: str


@dataclass(frozen=True)
class SetOrder:
    """Tell a basket the state of its order: in_progress, failed or complete.

    ``quantities`` {sku: pieces} are those that a complete order has sold. ``basket_version`` is the version that was ordered,
    None if the sender does not say.
    """

    basket_id: str = field(repr=False)
    order: OrderAttempt
    state: str
    quantities: dict[str, int]
    basket_version: int | None = None


def parse_add_item(request: Request) -> AddItem:
    """Raises ``Refused`` INVALID_REQUEST, INVALID_IDEMPOTENCY_KEY."""
    body = NEW_ITEM.parse(request)
    return AddItem(
        parse_basket_id(request), body["sku"], body["quantity"], _precondition(request), _idempotency(request, body)
    )


def parse_change_item(request: Request) -> ChangeItem:
    """Raises ``Refused`` INVALID_REQUEST, LINE_NOT_FOUND."""
    basket_id, sku = parse_basket_id(request), _sku_in_path(request)
    quantity = QUANTITY_CHANGE.parse(request)["quantity"]
    return ChangeItem(basket_id, sku, quantity, _precondition(request), secrets.token_hex(8))


def parse_remove_item(request: Request) -> RemoveItem:
    """Raises ``Refused`` INVALID_REQUEST, LINE_NOT_FOUND."""
    return RemoveItem(parse_basket_id(request), _sku_in_path(request), _precondition(request), secrets.token_hex(8))


def parse_set_order(request: Request) -> SetOrder:
    """Raises ``Refused`` INVALID_REQUEST."""
    basket_id, number = parse_basket_id(request), request.path_parameters["order_number"]
    if not re.fullmatch(ORDER_NUMBER["pattern"], number):
        raise Refused("INVALID_REQUEST", "must be the number of an order", "/order_number")
    body = ORDER_STATE.parse(request)
    quantities: Counter[str] = Counter()
    for line in body.get("lines", ()):
        quantities[line["sku"]] += line["quantity"]
    if (body["state"] == "complete") != bool(quantities):
        raise Refused("INVALID_REQUEST", "must be the lines of a complete order", "/lines")
    order = OrderAttempt(number, body.get("attempt", 0))
    return SetOrder(basket_id, order, body["state"], dict(quantities), body.get("basket_version"))


def parse_basket_id(request: Request) -> str:
    """The basket in the path. Raises ``Refused`` INVALID_REQUEST."""
    basket_id = request.path_parameters["basket_id"]
    if not _BASKET_ID.fullmatch(basket_id):
        raise Refused("INVALID_REQUEST", "must be 22 to 64 letters, digits, - or _, chosen at random", "/basket_id")
    return basket_id


def _sku_in_path(request: Request) -> str:
    sku = unquote(request.path_parameters["sku"])
    if not re.fullmatch(SKU["pattern"], sku):
        raise line_not_found()  # what cannot be a SKU is in no basket
    return sku


def _precondition(request: Request) -> Precondition:
    """The ``If-Match`` of a request; a tag that is not one of ours matches no basket."""
    if_match = request.headers.get("if-match")
    if if_match is None:
        return Precondition()
    if if_match.strip() == "*":
        return Precondition(must_exist=True)
    return Precondition(parse_if_match(if_match) or NO_VERSION, must_exist=True)


def _idempotency(request: Request, body: dict[str, Any]) -> Idempotency:
    """The ``Idempotency-Key`` of a request, or a random key if there is none.

    The random key lets the function recognise its own write when the SDK repeats a call whose answer was lost.
    """
    key = request.idempotency_key() or secrets.token_urlsafe(18)
    return Idempotency(key_digest(request.path_parameters["basket_id"], key), payload_digest(body))

"""What callers may send, judged field by field. Pure."""

import hashlib
import json
import re
import secrets
from typing import Any

from basket.domain import Idempotency, IfMatch
from setpieces.entity_tags import versions
from setpieces.errors import Refused
from setpieces.rest_api import Request

# The id is all that a caller needs: 22 characters have room for 128 random bits in base64, and a UUID has 36.
_BASKET_ID = re.compile(r"[A-Za-z0-9_-]{22,64}")
_SKU = re.compile(r"[A-Z0-9][A-Z0-9-]{0,31}")
NO_VERSION = frozenset({-1})


def basket_id(request: Request) -> str:
    """The basket in the path. Raises ``Refused`` 400."""
    asked = request.path_parameters["basket_id"]
    if not _BASKET_ID.fullmatch(asked):
        raise Refused("INVALID_REQUEST", "must be 22 to 64 letters, digits, - or _, chosen at random", "/basket_id")
    return asked


def sku_in_path(request: Request) -> str:
    """The line in the path. Raises ``Refused`` 404: what cannot be a SKU is in no basket."""
    asked = request.path_parameters["sku"]
    if not _SKU.fullmatch(asked):
        raise no_such_line()
    return asked


def body(request: Request, *names: str) -> dict[str, Any]:
    """The body with exactly the members ``names``, of which ``sku`` and ``quantity`` are checked. Raises ``Refused`` 400."""
    sent = request.json()
    for name in names:
        if name not in sent:
            raise Refused("INVALID_REQUEST", "is required", f"/{name}")
    for name in sent:
        if name not in names:
            raise Refused("INVALID_REQUEST", "is not a member of this request", f"/{name}")
    if "sku" in names and not (isinstance(sent["sku"], str) and _SKU.fullmatch(sent["sku"])):
        raise Refused("INVALID_REQUEST", "must be a SKU: 1 to 32 capital letters, digits or -", "/sku")
    if type(sent["quantity"]) is not int or sent["quantity"] < 1:
        raise Refused("INVALID_REQUEST", "must be a whole number of at least 1", "/quantity")
    return sent


def idempotency(request: Request, sent: dict[str, Any]) -> Idempotency:
    """The ``Idempotency-Key`` of a request, or a random one if the caller sent none. Raises ``Refused`` 400.

    The random key lets the function recognise its own write when the SDK repeats a call whose answer was lost.
    """
    key = request.idempotency_key() or secrets.token_urlsafe(18)
    return Idempotency(_digest(key), _digest(json.dumps(sent, sort_keys=True)))


def if_match(request: Request) -> IfMatch:
    """The ``If-Match`` of a request; tags that no basket ever has match none."""
    sent = request.headers.get("if-match")
    if sent is None:
        return IfMatch()
    if sent.strip() == "*":
        return IfMatch(exists=True)
    return IfMatch(versions(sent) or NO_VERSION, exists=True)


def no_such_basket() -> Refused:
    """404."""
    return Refused("BASKET_NOT_FOUND", "There is no such basket, or it has expired")


def no_such_line() -> Refused:
    """404."""
    return Refused("LINE_NOT_FOUND", "This product is not in the basket")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]

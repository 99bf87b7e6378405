"""What callers may send to order, judged field by field. Pure."""

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any

from setpieces.errors import Refused
from setpieces.postal import COUNTRY, LONGEST
from setpieces.rest_api import Request

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_TOKEN = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_PATTERNS = {"basket_id": _ID, "customer_id": _ID, "payment_token": _TOKEN}


def order(request: Request) -> dict[str, Any]:
    """{basket_id, customer_id, payment_token, ship_to}. Raises ``Refused`` 400; 403 for another's customer id."""
    sent = request.json()
    for name in sent:
        if name not in _PATTERNS and name != "ship_to":
            raise Refused("INVALID_REQUEST", "is not a member of this request", f"/{name}")
    for name, pattern in _PATTERNS.items():
        value = sent.get(name)
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise Refused("INVALID_REQUEST", f"must match {pattern.pattern}", f"/{name}")
    _check_address(sent.get("ship_to"))
    if owner(request) not in ("", sent["customer_id"]):
        raise Refused("CUSTOMER_MISMATCH", "This session belongs to another customer")
    return sent


def owner(request: Request) -> str:
    """The customer whose session calls; "" for a guest."""
    return request.authorizer.get("customer_id") or ""


def _check_address(address: Any) -> None:
    if not isinstance(address, dict):
        raise Refused("INVALID_REQUEST", "must be an address", "/ship_to")
    for name, value in address.items():
        if name not in LONGEST:
            raise Refused("INVALID_REQUEST", "is not a member of an address", f"/ship_to/{name}")
        if not isinstance(value, str) or not 1 <= len(value) <= LONGEST[name]:
            raise Refused("INVALID_REQUEST", f"must be a text of 1 to {LONGEST[name]} characters", f"/ship_to/{name}")
    if not COUNTRY.fullmatch(address.get("country", "")):
        raise Refused(
            "INVALID_REQUEST", "must be a country code of two capital letters (ISO 3166-1)", "/ship_to/country"
        )
    if "postal_code" not in address:
        raise Refused("INVALID_REQUEST", "is required", "/ship_to/postal_code")


@dataclass(frozen=True)
class Idempotency:
    """Digests of an Idempotency-Key within each scope in which it names one order, and of the request that it came with.

    The first scope is the customer, if there is a session. The other is the basket: its id is a secret, so guests share no
    keys with strangers, and a form that is sent again after its sender has signed in or out is still the same order.
    """

    keys: tuple[str, ...]
    request: str


def idempotency(request: Request, sent: dict[str, Any]) -> Idempotency | None:
    """None if the caller sent no ``Idempotency-Key``. Raises ``Refused`` 400."""
    key = request.idempotency_key()
    if key is None:
        return None
    # A customer id has no space in it.
    scopes = [owner(request), f"basket {sent['basket_id']}"]
    keys = tuple(_digest(f"{scope}\n{key}") for scope in scopes if scope)
    return Idempotency(keys, _digest(json.dumps(sent, sort_keys=True)))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()

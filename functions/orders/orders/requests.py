"""Requests to order, parsed into commands."""

from dataclasses import dataclass
from typing import Any

from orders.domain.idempotency import Idempotency
from setpieces.errors import Refused
from setpieces.fields import COUNTRY, CUSTOMER_ID, text
from setpieces.idempotency import key_digest, payload_digest
from setpieces.json_body import JsonBody
from setpieces.postal import LONGEST
from setpieces.rest_api import Request

NEW_ORDER = JsonBody(
    {
        "type": "object",
        "required": ["basket_id", "customer_id", "payment_token", "ship_to"],
        "properties": {
            "basket_id": CUSTOMER_ID,
            "customer_id": CUSTOMER_ID,
            "payment_token": {
                "type": "string",
                "pattern": "^[A-Za-z0-9_.-]{1,128}$",
                "description": "1 to 128 letters, digits, ., - or _",
            },
            "ship_to": {
                "type": "object",
                "required": ["country", "postal_code"],
                "properties": {name: text(1, longest) for name, longest in LONGEST.items()} | {"country": COUNTRY},
                "additionalProperties": False,
                "description": "an address",
            },
        },
        "additionalProperties": False,
    }
)


@dataclass(frozen=True)
class SubmitOrder:
    """Order what is in a basket. ``owner`` is the customer whose session sends the request, "" for a guest."""

    basket_id: str
    customer_id: str
    payment_token: str
    ship_to: dict[str, str]
    owner: str
    idempotency: Idempotency | None


def parse_submit_order(request: Request) -> SubmitOrder:
    """Raises ``Refused`` INVALID_REQUEST, INVALID_IDEMPOTENCY_KEY, CUSTOMER_MISMATCH."""
    body = NEW_ORDER.parse(request)
    owner = request.authorizer.get("customer_id") or ""
    if owner not in ("", body["customer_id"]):
        raise Refused("CUSTOMER_MISMATCH", "This session belongs to another customer")
    return SubmitOrder(
        **{name: body[name] for name in NEW_ORDER.schema["required"]},
        owner=owner,
        idempotency=_idempotency(request, body, owner),
    )


def _idempotency(request: Request, body: dict[str, Any], owner: str) -> Idempotency | None:
    key = request.idempotency_key()
    if key is None:
        return None
    # A customer id has no space in it.
    scopes = [owner, f"basket {body['basket_id']}"]
    return Idempotency(tuple(key_digest(scope, key) for scope in scopes if scope), payload_digest(body))

"""Requests to order, parsed into commands."""

import re
from dataclasses import dataclass, field
from typing import Any

from orders.domain.idempotency import Idempotency
from orders.requests.addresses import check_postal_code
from setpieces.email_addresses import parse_email
from setpieces.errors import Refused
from setpieces.fields import CUSTOMER_ID, EMAIL, postal_address
from setpieces.idempotency import key_digest, payload_digest
from setpieces.json_body import JsonBody
from setpieces.rest_api import Request

NEW_ORDER = JsonBody(
    {
        "type": "object",
        "required": ["ship_to"],
        "properties": {
            "quotation_id": CUSTOMER_ID,
            "basket_id": CUSTOMER_ID,
            "customer_id": CUSTOMER_ID,
            "payment_token": {
                "type": "string",
                "pattern": "^[A-Za-z0-9_.-]{1,128}$",
                "description": "1 to 128 letters, digits, ., - or _",
            },
            "email": EMAIL,
            "ship_to": postal_address("country"),
        },
        "additionalProperties": False,
    }
)
GUEST = "guest"
_CUSTOMER_NUMBER = re.compile(r"C[0-9]{9,}")


@dataclass(frozen=True)
class SubmitOrder:
    """Order what a quotation is for, or what is in a basket: one of ``quotation_id`` and ``basket_id`` is "".

    ``owner`` is the customer whose session sends the request, "" for a guest. ``payment_token`` and ``email`` may be "".
    """

    quotation_id: str = field(repr=False)
    basket_id: str = field(repr=False)
    customer_id: str
    payment_token: str = field(repr=False)
    email: str = field(repr=False)
    ship_to: dict[str, str] = field(repr=False)
    owner: str
    idempotency: Idempotency | None


def parse_submit_order(request: Request) -> SubmitOrder:
    """Raises ``Refused`` INVALID_REQUEST, INVALID_IDEMPOTENCY_KEY, CUSTOMER_MISMATCH."""
    body = NEW_ORDER.parse(request)
    owner = request.authorizer.get("customer_id") or ""
    _check_members(body, owner)
    check_postal_code(body["ship_to"])
    customer_id = body.get("customer_id") or owner or GUEST
    if owner not in ("", customer_id):
        raise Refused("CUSTOMER_MISMATCH", "This session belongs to another customer")
    if not owner and _CUSTOMER_NUMBER.fullmatch(customer_id):
        raise Refused("CUSTOMER_MISMATCH", "A guest cannot order for a customer")
    return SubmitOrder(
        quotation_id=body.get("quotation_id", ""),
        basket_id=body.get("basket_id", ""),
        customer_id=customer_id,
        payment_token=body.get("payment_token", ""),
        email=parse_email(body["email"]) if "email" in body else "",
        ship_to=body["ship_to"],
        owner=owner,
        idempotency=_idempotency(request, body, owner),
    )


def payment_token_required() -> Refused:
    """An order of a quotation needs a payment token unless its total is 0."""
    return Refused("INVALID_REQUEST", "is required", "/payment_token")


def _check_members(body: dict[str, Any], owner: str) -> None:
    """An order of a basket needs all members that it always needed; one of a quotation a full address.

    A guest's order of a quotation needs an e-mail address as well.
    """
    if "quotation_id" not in body:
        required = ["basket_id", "customer_id", "payment_token"]
    else:
        street = "line1" if "line1" in body["ship_to"] else "street"
        required = ["ship_to/name", f"ship_to/{street}", "ship_to/city"] + ([] if owner else ["email"])
        if "basket_id" in body:
            raise Refused("INVALID_REQUEST", "is that of the quotation", "/basket_id")
    given = {*body, *(f"ship_to/{name}" for name in body["ship_to"])}
    missing = [name for name in required if name not in given]
    if missing:
        raise Refused("INVALID_REQUEST", "is required", f"/{missing[0]}")


def _idempotency(request: Request, body: dict[str, Any], owner: str) -> Idempotency | None:
    key = request.idempotency_key()
    if key is None:
        return None
    secret = f"quotation {body['quotation_id']}" if "quotation_id" in body else f"basket {body['basket_id']}"
    # A customer id has no space in it.
    return Idempotency(tuple(key_digest(scope, key) for scope in (owner, secret) if scope), payload_digest(body))

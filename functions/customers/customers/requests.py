"""Requests to customers, parsed into commands."""

import json
import secrets
from dataclasses import dataclass, field
from typing import Any

from setpieces.email_addresses import comparable_email, parse_email
from setpieces.entity_tags import parse_if_match
from setpieces.errors import Refused
from setpieces.fields import BOOLEAN, EMAIL, nullable, postal_address, single_line
from setpieces.idempotency import key_digest, payload_digest
from setpieces.json_body import JsonBody
from setpieces.passwords import normalize_password
from setpieces.rest_api import Request

MAX_ADDRESSES = 10
# The commerce platform accepts records of 32 KiB; the other members of a profile are far smaller than the difference.
MAX_ADDRESSES_BYTES = 24 * 1024
# As in the storefront's form. https://cheatsheetseries.owasp.org/cheatsheets/Authentication_Cheat_Sheet.html
MIN_PASSWORD_LENGTH = 12

_NAME = single_line(1, 200)
_PASSWORD = single_line(MIN_PASSWORD_LENGTH, 256)

SIGN_UP = JsonBody(
    {
        "type": "object",
        "required": ["email", "name"],
        "properties": {"email": EMAIL, "name": _NAME},
        "additionalProperties": False,
    }
)
CONFIRMATION = JsonBody(
    {
        "type": "object",
        "required": ["token", "password"],
        "properties": {
            # <id of the sign-up>.<secret>, as ``customers.repository`` creates it
            "token": {
                "type": "string",
                "pattern": r"^[0-9a-f]{32}\.[A-Za-z0-9_-]{43}$",
                "description": "the token of a link that was mailed",
            },
            "password": _PASSWORD,
        },
        "additionalProperties": False,
    }
)
# A JSON merge patch (RFC 7396): null removes a member, except the name, which a customer must have.
PROFILE_PATCH = JsonBody(
    {
        "type": "object",
        "properties": {
            "name": _NAME,
            "phone": nullable(
                {
                    "type": "string",
                    "maxLength": 40,
                    "pattern": r"^\+?[0-9][0-9 ()./-]{2,38}$",
                    "description": "a telephone number",
                }
            ),
            "addresses": nullable(
                {
                    "type": "array",
                    "items": postal_address("country"),
                    "maxItems": MAX_ADDRESSES,
                    "description": f"a list of at most {MAX_ADDRESSES} addresses",
                }
            ),
            "marketing_opt_in": nullable(BOOLEAN),
        },
        "additionalProperties": False,
    }
)


@dataclass(frozen=True)
class RequestSignUp:
    """A request for an account. A repeat with the same Idempotency-Key has the same ``sign_up_id``."""

    sign_up_id: str
    email: str = field(repr=False)
    name: str = field(repr=False)


@dataclass(frozen=True)
class CreateCustomer:
    """The confirmation of a sign-up, by the token "<sign_up_id>.<secret>" that was mailed, and the password chosen."""

    token: str = field(repr=False)
    password: str = field(repr=False)


@dataclass(frozen=True)
class UpdateProfile:
    """A merge patch of the profile if it has one of ``versions``; of any version if they are None."""

    customer_id: str
    patch: dict[str, Any]
    versions: frozenset[int] | None


def parse_request_sign_up(request: Request) -> RequestSignUp:
    """Raises ``Refused`` INVALID_REQUEST."""
    body, key = SIGN_UP.parse(request), request.idempotency_key()
    email, name = parse_email(body["email"]), body["name"]
    if key is None:
        return RequestSignUp(secrets.token_hex(16), email, name)
    # The same key with other values is another sign-up.
    return RequestSignUp(key_digest(payload_digest([comparable_email(email), name]), key), email, name)


def parse_create_customer(request: Request) -> CreateCustomer:
    """Raises ``Refused`` INVALID_REQUEST, also for a malformed token, and as ``Request.json`` does."""
    body = CONFIRMATION.parse(request)
    return CreateCustomer(body["token"], _normalize_password(body["password"]))


def _normalize_password(text: str) -> str:
    """Raises ``Refused`` INVALID_REQUEST."""
    try:
        password = normalize_password(text)
    except ValueError as error:
        raise Refused("INVALID_REQUEST", "must have no invisible characters", "/password") from error
    if len(password) < MIN_PASSWORD_LENGTH:
        raise Refused("INVALID_REQUEST", f"must be {_PASSWORD['description']}", "/password")
    return password


def parse_update_profile(request: Request) -> UpdateProfile:
    """Raises ``Refused``: INVALID_REQUEST, SESSION_USER_MISMATCH."""
    customer_id, if_match = parse_customer_id(request), _parse_if_match(request)
    patch = PROFILE_PATCH.parse(request)
    if len(json.dumps(patch.get("addresses"))) > MAX_ADDRESSES_BYTES:
        message = f"must have at most {MAX_ADDRESSES_BYTES} bytes altogether, with what is not ASCII escaped"
        raise Refused("INVALID_REQUEST", message, "/addresses")
    return UpdateProfile(customer_id, patch, if_match)


def parse_customer_id(request: Request) -> str:
    """The customer of the session, from the authorizer's context. Raises ``Refused`` SESSION_USER_MISMATCH.

    The gateway has checked the path. It is compared again, so that an error in a policy, or a path that the gateway and the
    function decode differently, does not reveal another customer's data.
    """
    customer_id = str(request.authorizer.get("customer_id") or "")
    if not customer_id or customer_id != request.path_parameters.get("customer_id"):
        raise Refused("SESSION_USER_MISMATCH", "This session belongs to another customer")
    return customer_id


def _parse_if_match(request: Request) -> frozenset[int] | None:
    """The versions that ``If-Match`` names; None if it is missing or ``*``."""
    header = request.headers.get("if-match")
    if header is None or header.strip() == "*":
        return None
    return parse_if_match(header)

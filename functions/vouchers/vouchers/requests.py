"""Requests to vouchers, parsed into commands."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import unquote
from uuid import uuid4

from setpieces.email_addresses import parse_email
from setpieces.errors import Refused
from setpieces.fields import BOOLEAN, CURRENCY, CUSTOMER_ID, EMAIL, MONEY, ORDER_NUMBER, UNPRINTABLE, whole_number
from setpieces.idempotency import key_digest
from setpieces.json_body import JsonBody
from setpieces.rest_api import Request
from setpieces.times import to_rfc3339
from vouchers.domain.codes import normalise_code
from vouchers.domain.links import MAX_LINK_SECONDS, download_not_found
from vouchers.domain.redemptions import OrderState, voucher_not_found
from vouchers.domain.times import (
    DATE_PATTERN,
    DESCRIPTION,
    TIME_PATTERN,
    parse_moment,
    parse_validity,
)

MAX_COUNT = 1_000_000
MAX_VALUE = 1_000_000
MAX_CAMPAIGN = 80
MAX_ATTEMPT = 1_000

_BATCH_ID = re.compile(r"VB[0-9a-f]{24}")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
_CUSTOMER_NUMBER = re.compile("C[0-9]{9,}")
# One line that a spreadsheet does not read as a formula, which may begin with blanks or a full-width form.
# https://owasp.org/www-community/attacks/CSV_Injection
_CAMPAIGN = rf"^(?!\s*[=+\-@\uff1d\uff0b\uff0d\uff20])(?=.*\S)[^{UNPRINTABLE}]*$"
_MOMENT = {
    "type": "string",
    "pattern": f"^{DATE_PATTERN}([Tt ]{TIME_PATTERN})?$",
    "description": DESCRIPTION,
}

NEW_BATCH = JsonBody(
    {
        "type": "object",
        "required": ["count", "campaign", "value", "currency", "valid_from", "valid_to", "notify"],
        "properties": {
            "count": whole_number(1, MAX_COUNT),
            "campaign": {
                "type": "string",
                "minLength": 1,
                "maxLength": MAX_CAMPAIGN,
                "pattern": _CAMPAIGN,
                "description": f"a text of 1 to {MAX_CAMPAIGN} characters on one line that does not begin with = + - or @",
            },
            "value": whole_number(1, MAX_VALUE)
            | {"description": f"an amount in minor units, a whole number from 1 to {MAX_VALUE}"},
            "currency": CURRENCY,
            "valid_from": _MOMENT,
            "valid_to": _MOMENT,
            "notify": EMAIL,
            "one_time": BOOLEAN,
        },
        "additionalProperties": False,
    }
)
NEW_REDEMPTION = JsonBody(
    {
        "type": "object",
        "required": ["order_number"],
        "properties": {
            "order_number": ORDER_NUMBER,
            "customer_id": CUSTOMER_ID,
        },
        "additionalProperties": False,
    }
)
# The remaining members are of reservations: ``_OF_RESERVATION`` are required, ``attempt`` is of releases, too.
VOUCHER_CHANGE = JsonBody(
    {
        "type": "object",
        "required": ["state"],
        "properties": {
            "state": {
                "type": "string",
                "enum": [state.value for state in OrderState],
                "description": "reserved, redeemed or released",
            },
            "amount": MONEY,
            "currency": CURRENCY,
            "expires_at": _MOMENT | {"pattern": f"^{DATE_PATTERN}[Tt ]{TIME_PATTERN}$"},
            "attempt": whole_number(0, MAX_ATTEMPT),
            "customer_id": CUSTOMER_ID,
        },
        "additionalProperties": False,
    }
)
_OF_RESERVATION = ("amount", "currency", "expires_at")


@dataclass(frozen=True)
class CreateBatch:
    """``value`` is in minor units, ``valid_from`` and ``valid_to`` are RFC 3339 in UTC."""

    batch_id: str
    requested_by: str
    count: int
    campaign: str
    value: int
    currency: str
    valid_from: str
    valid_to: str
    notify: str
    one_time: bool = False


@dataclass(frozen=True)
class ShowBatch:
    """``link_seconds`` is the lifetime of the link to its file."""

    batch_id: str
    link_seconds: int


@dataclass(frozen=True)
class RedeemVoucher:
    """``customer_id`` is None if a guest names no customer; ``authorization`` is the header of that name, "" without one."""

    code: str = field(repr=False)
    order_number: str
    customer_id: str | None
    authorization: str = field(repr=False)


@dataclass(frozen=True)
class ReserveVoucher:
    """``amount`` is in minor units of ``currency``, ``expires_at`` RFC 3339 in UTC.

    ``attempt`` counts how often the order was reopened.
    """

    code: str = field(repr=False)
    order_number: str
    amount: int
    currency: str
    expires_at: str
    attempt: int
    customer_id: str | None


@dataclass(frozen=True)
class RedeemReservation:
    code: str = field(repr=False)
    order_number: str


@dataclass(frozen=True)
class ReleaseReservation:
    """``attempt`` counts how often the order was reopened: reservations of later attempts stay."""

    code: str = field(repr=False)
    order_number: str
    attempt: int


@dataclass(frozen=True)
class ReleaseVoucher:
    """``order_number`` is None to release a redemption without an order."""

    code: str = field(repr=False)
    order_number: str | None


def parse_create_batch(request: Request, now: datetime) -> CreateBatch:
    """Raises ``Refused`` INVALID_REQUEST."""
    body = NEW_BATCH.parse(request)
    valid_from, valid_to = parse_validity(body["valid_from"], body["valid_to"], now)
    parsed = {"valid_from": valid_from, "valid_to": valid_to, "notify": parse_email(body["notify"], "/notify")}
    caller = request.authorizer["principalId"]
    return CreateBatch(_new_batch_id(caller, request.idempotency_key()), caller, **body | parsed)


def parse_show_batch(request: Request, default_link_seconds: int) -> ShowBatch:
    """Raises ``Refused`` INVALID_REQUEST."""
    link_seconds = _parse_link_seconds(request.query.get("link_seconds"), default_link_seconds)
    return ShowBatch(parse_batch_id(request), link_seconds)


def parse_batch_id(request: Request) -> str:
    """The batch id in the path. Raises ``Refused`` INVALID_REQUEST if it is malformed."""
    batch_id = request.path_parameters["batch_id"]
    if not _BATCH_ID.fullmatch(batch_id):
        raise Refused("INVALID_REQUEST", "must be VB and 24 of 0-9 a-f", "/batch_id")
    return batch_id


def parse_token(request: Request) -> str:
    """The token of a one-time link in the path. Raises ``Refused`` DOWNLOAD_NOT_FOUND if it is malformed."""
    token = request.path_parameters["token"]
    if not _TOKEN.fullmatch(token):
        raise download_not_found()
    return token


def parse_code(request: Request) -> str:
    """The voucher's code in the path. Raises ``Refused`` VOUCHER_NOT_FOUND if it is malformed."""
    code = normalise_code(unquote(request.path_parameters["code"]))
    if code is None:
        raise voucher_not_found()
    return code


def parse_redeem_voucher(request: Request) -> RedeemVoucher:
    """The customer is that of the session, or for a guest the label that the body names, if any.

    Raises ``Refused`` as ``JsonBody.parse`` does, VOUCHER_NOT_FOUND, and CUSTOMER_MISMATCH for a customer other than the
    session's, also if there is no session.
    """
    body = NEW_REDEMPTION.parse(request)
    session_customer = request.authorizer.get("customer_id") or ""
    customer_id = body.get("customer_id", session_customer)
    if customer_id != session_customer and (session_customer or _CUSTOMER_NUMBER.fullmatch(customer_id)):
        raise Refused("CUSTOMER_MISMATCH", "This session belongs to another customer")
    return RedeemVoucher(
        code=parse_code(request),
        order_number=body["order_number"],
        customer_id=customer_id or None,
        authorization=request.headers.get("authorization", ""),
    )


def parse_order_voucher(request: Request) -> ReserveVoucher | RedeemReservation | ReleaseReservation:
    """Raises ``Refused`` as ``JsonBody.parse`` does, and VOUCHER_NOT_FOUND."""
    body = VOUCHER_CHANGE.parse(request)
    code, order_number = parse_code(request), _parse_order_number(request.path_parameters["order_number"])
    attempt = body.get("attempt", 0)
    match body["state"]:
        case OrderState.REDEEMED:
            return RedeemReservation(code, order_number)
        case OrderState.RELEASED:
            return ReleaseReservation(code, order_number, attempt)
    for name in _OF_RESERVATION:
        if name not in body:
            raise Refused("INVALID_REQUEST", "is required", f"/{name}")
    expires_at = to_rfc3339(parse_moment("/expires_at", body["expires_at"]))
    return ReserveVoucher(
        code, order_number, body["amount"], body["currency"], expires_at, attempt, body.get("customer_id")
    )


def parse_release_voucher(request: Request) -> ReleaseVoucher:
    """Raises ``Refused`` INVALID_REQUEST, VOUCHER_NOT_FOUND."""
    order_number = request.query.get("order_number")
    if order_number is not None and not re.fullmatch(ORDER_NUMBER["pattern"], order_number):
        raise Refused("INVALID_REQUEST", f"must be {ORDER_NUMBER['description']}", "/order_number")
    if order_number is not None:
        _parse_order_number(order_number)
    return ReleaseVoucher(parse_code(request), order_number)


def _new_batch_id(caller: str, idempotency_key: str | None) -> str:
    """The same id for the same key of the same caller, so that a repeated request finds its batch; otherwise a random one."""
    digits = uuid4().hex if idempotency_key is None else key_digest(caller, idempotency_key)
    return f"VB{digits[:24]}"


def _parse_order_number(text: str) -> str:
    if not re.fullmatch(ORDER_NUMBER["pattern"], text):
        raise Refused("INVALID_REQUEST", f"must be {ORDER_NUMBER['description']}", "/order_number")
    return text


def _parse_link_seconds(text: str | None, default: int) -> int:
    if text is None:
        return default
    if not re.fullmatch(r"[0-9]{1,4}", text) or not 1 <= int(text) <= MAX_LINK_SECONDS:
        raise Refused("INVALID_REQUEST", f"must be 1 to {MAX_LINK_SECONDS}", "/link_seconds")
    return int(text)

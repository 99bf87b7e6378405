"""Requests to vouchers, parsed into commands."""

import re
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

from setpieces.errors import Refused
from setpieces.fields import BOOLEAN, CURRENCY, CUSTOMER_ID, EMAIL, whole_number
from setpieces.idempotency import key_digest
from setpieces.json_body import JsonBody
from setpieces.rest_api import Request
from vouchers.domain.codes import normalised

MAX_COUNT = 1_000_000
MAX_VALUE = 1_000_000
MAX_CAMPAIGN = 80
MAX_YEARS = 10
MAX_LINK_SECONDS = 3600

_BATCH_ID = re.compile(r"VB[0-9a-f]{24}")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
_ORDER_NUMBER = "T[0-9]{9,12}"
# No line breaks, and nothing that a spreadsheet takes for a formula, full-width forms and blanks before it included.
# https://owasp.org/www-community/attacks/CSV_Injection
_CAMPAIGN = r"^(?!\s*[=+\-@\uff1d\uff0b\uff0d\uff20])(?=.*\S)[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$"
_DATE = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIME = r"[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})"
_MOMENT = {
    "type": "string",
    "pattern": f"^{_DATE}([Tt ]{_TIME})?$",
    "description": "a date or a date-time with its offset from UTC (RFC 3339)",
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
            | {"description": f"an amount in cents, a whole number from 1 to {MAX_VALUE}"},
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
        "properties": {
            "order_number": {
                "type": "string",
                "pattern": f"^{_ORDER_NUMBER}$",
                "description": "an order number, T and 9 to 12 digits",
            },
            "customer_id": CUSTOMER_ID,
        },
        "additionalProperties": False,
    }
)


@dataclass(frozen=True)
class CreateBatch:
    """A batch to be made. ``value`` is in cents, ``valid_from`` and ``valid_to`` are RFC 3339 in UTC."""

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
    """``link_seconds`` is how long the link to its file works."""

    batch_id: str
    link_seconds: int


@dataclass(frozen=True)
class Redemption:
    """What a voucher is redeemed for. ``by`` is the digest of the caller and the Idempotency-Key."""

    order_number: str | None = None
    customer_id: str | None = None
    by: str | None = None

    def stored(self) -> dict[str, str]:
        """{order_number?, customer_id?, by?}"""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True)
class RedeemVoucher:
    """``code`` is None for a text that is no code."""

    code: str | None
    redemption: Redemption


@dataclass(frozen=True)
class ReleaseVoucher:
    """``order_number`` is None to release a redemption that names no order, ``code`` for a text that is no code."""

    code: str | None
    order_number: str | None


def parse_create_batch(request: Request, now: datetime) -> CreateBatch:
    """Raises ``Refused`` INVALID_REQUEST."""
    body = NEW_BATCH.parse(request)
    valid_from, valid_to = _parse_validity(body, now)
    caller = request.authorizer["principalId"]
    moments = {"valid_from": _rfc3339(valid_from), "valid_to": _rfc3339(valid_to)}
    return CreateBatch(_new_batch_id(caller, request.idempotency_key()), caller, **body | moments)


def parse_show_batch(request: Request, default_link_seconds: int) -> ShowBatch:
    """Raises ``Refused`` INVALID_REQUEST."""
    link_seconds = _parse_link_seconds(request.query.get("link_seconds"), default_link_seconds)
    return ShowBatch(parse_batch_id(request), link_seconds)


def parse_batch_id(request: Request) -> str:
    """The id in the path. Raises ``Refused`` INVALID_REQUEST for what no batch has as its id."""
    batch_id = request.path_parameters["batch_id"]
    if not _BATCH_ID.fullmatch(batch_id):
        raise Refused("INVALID_REQUEST", "must be VB and 24 of 0-9 a-f", "/batch_id")
    return batch_id


def parse_token(request: Request) -> str | None:
    """The token of a download link in the path; None for what cannot be one."""
    token = request.path_parameters["token"]
    return token if _TOKEN.fullmatch(token) else None


def parse_code(request: Request) -> str | None:
    """The voucher's code in the path; None for what cannot be one."""
    return normalised(unquote(request.path_parameters["code"]))


def parse_redeem_voucher(request: Request) -> RedeemVoucher:
    """Raises ``Refused``: INVALID_REQUEST; CUSTOMER_MISMATCH for a customer who is not the session's."""
    body = NEW_REDEMPTION.parse(request, required=False)
    caller = request.authorizer.get("customer_id") or ""
    if caller and body.get("customer_id", caller) != caller:
        raise Refused("CUSTOMER_MISMATCH", "This session belongs to another customer")
    key = request.idempotency_key()
    redemption = Redemption(
        order_number=body.get("order_number"),
        customer_id=body.get("customer_id") or caller or None,
        by=key_digest(caller, key) if key else None,
    )
    return RedeemVoucher(parse_code(request), redemption)


def parse_release_voucher(request: Request) -> ReleaseVoucher:
    """Raises ``Refused`` INVALID_REQUEST."""
    order_number = request.query.get("order_number")
    if order_number is not None and not re.fullmatch(_ORDER_NUMBER, order_number):
        raise Refused("INVALID_REQUEST", "must be an order number, T and 9 to 12 digits", "/order_number")
    return ReleaseVoucher(parse_code(request), order_number)


def _new_batch_id(caller: str, idempotency_key: str | None) -> str:
    """The same id for the same key of the same caller, so that a repeated request finds its batch."""
    digits = uuid4().hex if idempotency_key is None else key_digest(caller, idempotency_key)
    return f"VB{digits[:24]}"


def _parse_link_seconds(text: str | None, default: int) -> int:
    if text is None:
        return default
    if not re.fullmatch(r"[0-9]{1,4}", text) or not 1 <= int(text) <= MAX_LINK_SECONDS:
        raise Refused("INVALID_REQUEST", f"must be 1 to {MAX_LINK_SECONDS}", "/link_seconds")
    return int(text)


def _parse_validity(body: dict[str, Any], now: datetime) -> tuple[datetime, datetime]:
    valid_from = _parse_moment("valid_from", body["valid_from"], time.min)
    valid_to = _parse_moment("valid_to", body["valid_to"], time(23, 59, 59))
    if valid_from.date() < now.date():
        raise Refused("INVALID_REQUEST", "must not be before today (UTC)", "/valid_from")
    if valid_to <= now:
        raise Refused("INVALID_REQUEST", "must not be over", "/valid_to")
    if valid_to <= valid_from:
        raise Refused("INVALID_REQUEST", "must be after valid_from", "/valid_to")
    if valid_to > now + timedelta(days=366 * MAX_YEARS):
        raise Refused("INVALID_REQUEST", f"must be within {MAX_YEARS} years", "/valid_to")
    return valid_from, valid_to


def _parse_moment(name: str, value: str, time_of_date: time) -> datetime:
    """A date-time, or a date with ``time_of_date`` in UTC (RFC 3339, 5.6)."""
    try:
        if re.fullmatch(_DATE, value):
            return datetime.combine(date.fromisoformat(value), time_of_date, UTC)
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Refused("INVALID_REQUEST", f"must be {_MOMENT['description']}", f"/{name}") from error


def _rfc3339(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")

"""What callers may send to ask for a batch or to redeem a voucher, judged field by field. Pure."""

import hashlib
import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import uuid4

from setpieces.problems import Problem, invalid
from setpieces.rest_api import Request

MAX_COUNT = 1_000_000
MAX_VALUE = 1_000_000
MAX_CAMPAIGN = 80
MAX_YEARS = 10
MAX_LINK_SECONDS = 3600

_CURRENCY = re.compile(r"[A-Z]{3}")
# One plain address: what RFC 5321 allows beyond this, no mailbox of a shop's admin has. No blanks, quotes or angle brackets.
_ADDRESS = re.compile(
    r"(?=.{3,254}$)[A-Za-z0-9._%+-]{1,64}@([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}"
)
_BATCH_ID = re.compile(r"VB[0-9a-f]{24}")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
_ORDER_NUMBER = re.compile(r"T[0-9]{9,12}")
_CUSTOMER_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_DATE_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
# Spreadsheets take what begins so for a formula, full-width forms and blanks before it included.
# https://owasp.org/www-community/attacks/CSV_Injection
_FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]")


def new_batch(request: Request, now: datetime) -> dict[str, Any]:
    """{count, campaign, value, currency, valid_from, valid_to, notify, one_time}. Raises ``Problem`` 400."""
    sent = request.json()
    _only(sent, {*_FIELDS, "valid_from", "valid_to", "one_time"})
    for name, (judge, message) in _FIELDS.items():
        if not judge(sent.get(name)):
            raise invalid(f"/{name}", message)
    valid_from, valid_to = _validity(sent, now)
    one_time = sent.get("one_time", False)
    if not isinstance(one_time, bool):
        raise invalid("/one_time", "must be true or false")
    return {name: sent[name] for name in _FIELDS} | {
        "valid_from": _rfc3339(valid_from),
        "valid_to": _rfc3339(valid_to),
        "one_time": one_time,
    }


def batch_id(path_parameter: str) -> str:
    """The id in the path. Raises ``Problem`` 400 for what no batch can have as id."""
    if not _BATCH_ID.fullmatch(path_parameter):
        raise invalid("/batch_id", "must be VB and 24 of 0-9 a-f")
    return path_parameter


def new_batch_id(caller: str, idempotency_key: str | None) -> str:
    """The id of a batch that ``caller`` asks for: the same one for the same key."""
    if idempotency_key is None:
        return f"VB{uuid4().hex[:24]}"
    key = f"{caller}\n{idempotency_key}"
    return f"VB{_digest(key)[:24]}"


def digest(sent: dict[str, Any]) -> str:
    """By which a request is told from another under the same Idempotency-Key."""
    return _digest(json.dumps(sent, sort_keys=True))


def link_seconds(request: Request, default: int) -> int:
    """How long a link is wanted to last. Raises ``Problem`` 400."""
    wanted = request.query.get("link_seconds")
    if wanted is None:
        return default
    if not re.fullmatch(r"[0-9]{1,4}", wanted) or not 1 <= int(wanted) <= MAX_LINK_SECONDS:
        raise invalid("/link_seconds", f"must be 1 to {MAX_LINK_SECONDS}")
    return int(wanted)


def token(path_parameter: str) -> str | None:
    """The token in the path; None for what cannot be one."""
    return path_parameter if _TOKEN.fullmatch(path_parameter) else None


def released_order(request: Request) -> str | None:
    """The order whose redemption is to be undone; None for a redemption that names none. Raises ``Problem`` 400."""
    wanted = request.query.get("order_number")
    if wanted is not None and not _ORDER_NUMBER.fullmatch(wanted):
        raise invalid("/order_number", f"must match {_ORDER_NUMBER.pattern}")
    return wanted


def redemption(request: Request) -> dict[str, Any]:
    """{order_number?, customer_id?, by?}: for what and for whom. Raises ``Problem`` 400, 403.

    ``by`` is a digest of the caller and the Idempotency-Key, if there is one.
    """
    sent = request.json() if request.raw_body.strip() else {}
    _only(sent, {"order_number", "customer_id"})
    for name, pattern in (("order_number", _ORDER_NUMBER), ("customer_id", _CUSTOMER_ID)):
        if name in sent and not (isinstance(sent[name], str) and pattern.fullmatch(sent[name])):
            raise invalid(f"/{name}", f"must match {pattern.pattern}")
    caller = request.authorizer.get("customer_id") or ""
    if caller and sent.get("customer_id", caller) != caller:
        raise Problem(403, "CUSTOMER_MISMATCH", "This session belongs to another customer")
    asked = sent | ({"customer_id": caller} if caller else {})
    key = request.idempotency_key()
    return asked | ({"by": _digest(f"{caller}\n{key}")} if key else {})


def _whole(lowest: int, highest: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and lowest <= value <= highest


def _matching(pattern: re.Pattern[str]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


def _is_campaign(value: Any) -> bool:
    return (
        isinstance(value, str)
        and 1 <= len(value) <= MAX_CAMPAIGN
        and value.strip() != ""
        and not _CONTROL.search(value)
        and not _FORMULA.match(value)
    )


_FIELDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "count": (_whole(1, MAX_COUNT), f"must be a whole number from 1 to {MAX_COUNT}"),
    "campaign": (
        _is_campaign,
        f"must be a text of 1 to {MAX_CAMPAIGN} characters on one line that does not begin with = + - or @",
    ),
    "value": (_whole(1, MAX_VALUE), f"must be an amount in cents, a whole number from 1 to {MAX_VALUE}"),
    "currency": (_matching(_CURRENCY), "must be a currency of three capital letters (ISO 4217)"),
    "notify": (_matching(_ADDRESS), "must be the e-mail address of whoever gets the link"),
}


def _validity(sent: dict[str, Any], now: datetime) -> tuple[datetime, datetime]:
    valid_from = _moment("valid_from", sent.get("valid_from"), time.min)
    valid_to = _moment("valid_to", sent.get("valid_to"), time(23, 59, 59))
    if valid_from.date() < now.date():
        raise invalid("/valid_from", "must not be before today (UTC)")
    if valid_to <= now:
        raise invalid("/valid_to", "must not be over")
    if valid_to <= valid_from:
        raise invalid("/valid_to", "must be after valid_from")
    if valid_to > now + timedelta(days=366 * MAX_YEARS):
        raise invalid("/valid_to", f"must be within {MAX_YEARS} years")
    return valid_from, valid_to


def _moment(name: str, value: Any, time_of_date: time) -> datetime:
    """A date-time, or a date with ``time_of_date`` in UTC (RFC 3339, 5.6)."""
    try:
        if isinstance(value, str) and _DATE.fullmatch(value):
            return datetime.combine(date.fromisoformat(value), time_of_date, UTC)
        if isinstance(value, str) and _DATE_TIME.fullmatch(value):
            return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise invalid(f"/{name}", "must be a date or a date-time with its offset from UTC (RFC 3339)")


def _rfc3339(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _only(sent: dict[str, Any], allowed: set[str]) -> None:
    for name in sent:
        if name not in allowed:
            raise invalid(f"/{name}", "is not a member of this request")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()

"""What callers may send, judged field by field. Pure."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from setpieces.entity_tags import versions
from setpieces.postal import COUNTRY, LONGEST
from setpieces.problems import Problem, invalid
from setpieces.rest_api import Request

MAX_ADDRESSES = 10
# As the commerce platform gets it, which takes 32 KiB; the rest of a profile is far smaller than the difference.
MAX_ADDRESSES_BYTES = 24 * 1024
# As in the storefront's form. https://cheatsheetseries.owasp.org/cheatsheets/Authentication_Cheat_Sheet.html
MIN_PASSWORD_LENGTH = 12
# <id of the sign-up>.<secret>, as customer_signup_table makes them
_TOKEN = re.compile(r"[0-9a-f]{32}\.[A-Za-z0-9_-]{43}")
MAX_TOKEN_LENGTH = 76
# As browsers check it (https://html.spec.whatwg.org/multipage/input.html#valid-e-mail-address), with a dot in the domain. Not
# all of RFC 5322: a comment or a display name would make many addresses of one mailbox, and each may be sent mails.
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_EMAIL = re.compile(rf"[A-Za-z0-9.!#$%&'*+/=?^_`{{|}}~-]{{1,64}}@{_LABEL}(?:\.{_LABEL})+")
_PHONE = re.compile(r"\+?[0-9][0-9 ()./-]{2,38}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")

# Says what is wrong with a value: (pointer below the field, message), or None.
Fault = tuple[str, str] | None


def text(shortest: int, longest: int) -> Callable[[Any], Fault]:
    """A text of so many characters that are not all blank, none of them a control character."""

    def fault(value: Any) -> Fault:
        if (
            isinstance(value, str)
            and shortest <= len(value) <= longest
            and value.strip()
            and not _CONTROL.search(value)
        ):
            return None
        return "", f"must be a text of {shortest} to {longest} characters"

    return fault


def matching(pattern: re.Pattern[str], longest: int, what: str) -> Callable[[Any], Fault]:
    """A text that fits ``pattern``."""

    def fault(value: Any) -> Fault:
        if isinstance(value, str) and len(value) <= longest and pattern.fullmatch(value):
            return None
        return "", f"must be {what}"

    return fault


def flag(value: Any) -> Fault:
    return None if isinstance(value, bool) else ("", "must be true or false")


def addresses(value: Any) -> Fault:
    """A list of addresses; the pointer leads to the first member that does not fit."""
    if not isinstance(value, list) or len(value) > MAX_ADDRESSES:
        return "", f"must be a list of at most {MAX_ADDRESSES} addresses"
    for number, address in enumerate(value):
        fault = _address(address)
        if fault:
            return f"/{number}{fault[0]}", fault[1]
    if len(json.dumps(value)) > MAX_ADDRESSES_BYTES:
        return "", f"must have at most {MAX_ADDRESSES_BYTES} bytes altogether, with what is not ASCII escaped"
    return None


def _address(address: Any) -> Fault:
    if not isinstance(address, dict):
        return "", "must be an address"
    for name, value in address.items():
        if name not in LONGEST:
            return f"/{escaped(name)}", "is not a member of an address"
        fault = text(1, LONGEST[name])(value)
        if fault:
            return f"/{name}", fault[1]
    if not COUNTRY.fullmatch(address.get("country", "")):
        return "/country", "must be a country code of two capital letters (ISO 3166-1)"
    return None


SIGN_UP = {
    "email": matching(_EMAIL, 254, "an e-mail address of at most 254 characters"),
    "name": text(1, 200),
}
CONFIRMATION = {
    "token": matching(_TOKEN, MAX_TOKEN_LENGTH, "the token of a link that was mailed"),
    "password": text(MIN_PASSWORD_LENGTH, 256),
}
PROFILE = {
    "name": text(1, 200),
    "phone": matching(_PHONE, 40, "a telephone number"),
    "addresses": addresses,
    "marketing_opt_in": flag,
}
# A customer has to have these; the others can be taken away with null.
REQUIRED = ("name",)


@dataclass(frozen=True)
class SignUp:
    """What a person says who wants an account."""

    email: str
    name: str


@dataclass(frozen=True)
class Confirmation:
    """What the owner of the mailbox says. Not printed: it holds a password."""

    token: str
    password: str

    def __repr__(self) -> str:
        return "Confirmation()"


def sign_up_request(request: Request) -> SignUp:
    """Raises ``Problem`` 400."""
    return SignUp(**_whole(request.json(), SIGN_UP))


def confirmation(request: Request) -> Confirmation:
    """Raises ``Problem`` 400."""
    return Confirmation(**_whole(request.json(), CONFIRMATION))


def _whole(sent: dict[str, Any], rules: dict[str, Callable[[Any], Fault]]) -> dict[str, Any]:
    for name in rules:
        if name not in sent:
            raise invalid(f"/{name}", "is required")
    _check(sent, rules)
    return sent


def profile_patch(request: Request) -> dict[str, Any]:
    """A JSON merge patch (RFC 7396) of what customers may change; null takes a field away. Raises ``Problem`` 400."""
    sent = request.json()
    for name in REQUIRED:
        if name in sent and sent[name] is None:
            raise invalid(f"/{name}", "cannot be taken away")
    _check({name: value for name, value in sent.items() if value is not None or name not in PROFILE}, PROFILE)
    return sent


def if_match(request: Request) -> frozenset[int] | None:
    """The versions that ``If-Match`` names; None if it is missing or ``*``: then whichever version there is."""
    sent = request.headers.get("if-match")
    if sent is None or sent.strip() == "*":
        return None
    return versions(sent)


def caller(request: Request) -> str:
    """The customer who calls, as the authorizer knows them. Raises ``Problem`` 403 if the path names another.

    The gateway lets nobody else through. The path is looked at again, so that a fault in a policy, or a path that two parties
    read differently, still shows nobody else's data.
    """
    customer_id = str(request.authorizer.get("customer_id") or "")
    if not customer_id or customer_id != request.path_parameters.get("customer_id"):
        raise Problem(403, "SESSION_USER_MISMATCH", "This session belongs to another customer")
    return customer_id


def escaped(name: str) -> str:
    """A name as part of a JSON pointer (RFC 6901), shortened so that a hostile one cannot fill a log."""
    return name.replace("~", "~0").replace("/", "~1")[:64]


def _check(sent: dict[str, Any], rules: dict[str, Callable[[Any], Fault]]) -> None:
    for name, value in sent.items():
        if name not in rules:
            raise invalid(f"/{escaped(name)}", "is not a member of this request")
        fault = rules[name](value)
        if fault:
            raise invalid(f"/{name}{fault[0]}", fault[1])

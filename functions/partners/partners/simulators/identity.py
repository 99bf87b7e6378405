"""The identity provider: credentials, customer ids and roles.

identity {identity_id, customer_id, roles, salt, cost, rounds, password_hash}; e-mail address and password are not stored
"""

import base64
import hashlib
import hmac
import secrets
from typing import Any
from uuid import UUID, uuid5

from partners.domain.operations import Call, Operation, Outcome, id_key
from partners.domain.rules import get
from partners.domain.schemas import EMAIL, ID, object_of, string
from setpieces.email_addresses import comparable_email, parse_email
from setpieces.errors import Refused
from setpieces.http_refusal import HttpRefusal
from setpieces.settings import setting

REGISTRATION = object_of(
    {"email": EMAIL, "password": string(256, 8)},
    {"customer_id": ID, "roles": {"type": "array", "items": {"enum": ["admin"]}, "maxItems": 1}},
    closed=True,
)
CREDENTIALS = object_of({"email": string(254), "password": string(256)}, closed=True)

_NAMESPACE = UUID("0d8f2c1e-6a57-5b0e-8f5d-3b8c5a7e9d21")
_VIEW_MEMBERS = ("identity_id", "customer_id", "roles")
# scrypt with cost N (PASSWORD_HASH_COST) 2**14, r 8 and p 5 is one of OWASP's sets of parameters: a guess takes 16 MiB and
# some 200 ms. https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html#scrypt
_SCRYPT = {"r": 8, "dklen": 32}
_ROUNDS = 5
# For identities that were stored before cost and rounds were stored with them.
_FIRST_COST, _FIRST_ROUNDS = 2**14, 1


def create_identity(call: Call, stored: dict[str, Any] | None) -> Outcome:
    """Register an identity; a repeat with the same customer id and password returns it. Raises ``HttpRefusal`` 400, 409."""
    body = call.body
    try:
        parse_email(body["email"])
    except Refused as error:
        raise HttpRefusal(400, error.code, error.detail, errors=error.errors) from error
    if stored is None:
        salt, cost = secrets.token_bytes(16), _cost()
        identity = {
            "identity_id": identity_id(body["email"]),
            "customer_id": body.get("customer_id"),
            "roles": body.get("roles", []),
            "salt": base64.b64encode(salt).decode(),
            "cost": cost,
            "rounds": _ROUNDS,
            "password_hash": _hash(body["password"], salt, cost, _ROUNDS),
        }
        return Outcome(201, _identity_view(identity), document=identity, effect="created")
    is_repeat = body.get("customer_id") is not None and body["customer_id"] == stored["customer_id"]
    if is_repeat and _matches(body["password"], stored):
        return Outcome(200, _identity_view(stored))
    raise HttpRefusal(409, "EMAIL_TAKEN", "This e-mail address is taken")


def get_identity(call: Call, stored: dict[str, Any] | None) -> Outcome:
    return Outcome(200, _identity_view(get("identity", stored).body))


def authenticate(call: Call, stored: dict[str, Any] | None) -> Outcome:
    """Raises ``HttpRefusal`` 401. A wrong address takes the same time as a wrong password."""
    no_identity = {"salt": "", "cost": _cost(), "rounds": _ROUNDS, "password_hash": ""}
    if not _matches(call.body["password"], stored or no_identity) or stored is None:
        raise HttpRefusal(401, "WRONG_CREDENTIALS", "The e-mail address or the password is wrong")
    return Outcome(200, _identity_view(stored))


def identity_id(email: str) -> str:
    """The id that follows from an address, so that an address has one identity."""
    return f"id-{uuid5(_NAMESPACE, comparable_email(email))}"


def _cost() -> int:
    return int(setting("PASSWORD_HASH_COST"))


def _hash(password: str, salt: bytes, cost: int, rounds: int) -> str:
    return base64.b64encode(hashlib.scrypt(password.encode(), salt=salt, n=cost, p=rounds, **_SCRYPT)).decode()


def _matches(password: str, identity: dict[str, Any]) -> bool:
    cost, rounds = int(identity.get("cost", _FIRST_COST)), int(identity.get("rounds", _FIRST_ROUNDS))
    hashed = _hash(password, base64.b64decode(identity["salt"]), cost, rounds)
    return hmac.compare_digest(hashed, identity["password_hash"])


def _identity_view(identity: dict[str, Any]) -> dict[str, Any]:
    return {name: identity[name] for name in _VIEW_MEMBERS}


def _email_key(call: Call) -> str:
    return identity_id(call.body["email"])


OPERATIONS = (
    Operation(
        "create_identity",
        "POST",
        "identity/identities",
        create_identity,
        "identities",
        _email_key,
        REGISTRATION,
    ),
    Operation(
        "get_identity",
        "GET",
        "identity/identities/{identity_id}",
        get_identity,
        "identities",
        id_key("identity_id"),
    ),
    Operation(
        "authenticate",
        "POST",
        "identity/authentications",
        authenticate,
        "identities",
        _email_key,
        CREDENTIALS,
    ),
)

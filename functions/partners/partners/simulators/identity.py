"""The identity provider: who signs in with which e-mail address, and in which roles.

identity {identity_id, customer_id, roles, salt, cost, rounds, password_hash}: neither the address nor the password is stored
"""

import base64
import hashlib
import hmac
import os
import secrets
from typing import Any
from uuid import UUID, uuid5

from partners.domain.rules import get
from partners.simulators.operations import Call, Operation, Outcome
from partners.simulators.schemas import EMAIL, ID, record, text
from setpieces.http_refusal import HttpRefusal

REGISTRATION = record(
    {"email": EMAIL, "password": text(256, 8)},
    {"customer_id": ID, "roles": {"type": "array", "items": {"enum": ["admin"]}, "maxItems": 1}},
    closed=True,
)
CREDENTIALS = record({"email": text(254), "password": text(256)}, closed=True)

_NAMESPACE = UUID("0d8f2c1e-6a57-5b0e-8f5d-3b8c5a7e9d21")
_SHOWN = ("identity_id", "customer_id", "roles")
# scrypt with cost N (PASSWORD_HASH_COST) 2**14, r 8 and p 5: 16 MiB and some 200 ms for each guess, one of OWASP's sets of
# parameters. https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html#scrypt
_SCRYPT = {"r": 8, "dklen": 32}
_ROUNDS = 5
# Of identities that were stored without their cost or rounds.
_FIRST_COST, _FIRST_ROUNDS = 2**14, 1


def create_identity(call: Call, stored: dict[str, Any] | None) -> Outcome:
    """Register. A repeat with the same customer id and password is answered as the first one.

    Raises ``HttpRefusal`` 409 if someone else has the address.
    """
    body = call.body
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
        return Outcome(201, _shown(identity), document=identity, effect="created")
    repeated = body.get("customer_id") is not None and body["customer_id"] == stored["customer_id"]
    if repeated and _matches(body["password"], stored):
        return Outcome(200, _shown(stored))
    raise HttpRefusal(409, "EMAIL_TAKEN", "This e-mail address is taken")


def get_identity(call: Call, stored: dict[str, Any] | None) -> Outcome:
    return Outcome(200, _shown(get("identity", stored).body))


def authenticate(call: Call, stored: dict[str, Any] | None) -> Outcome:
    """Raises ``HttpRefusal`` 401, after the same work whether the address or the password is wrong."""
    no_identity = {"salt": "", "cost": _cost(), "rounds": _ROUNDS, "password_hash": ""}
    if not _matches(call.body["password"], stored or no_identity) or stored is None:
        raise HttpRefusal(401, "WRONG_CREDENTIALS", "The e-mail address or the password is wrong")
    return Outcome(200, _shown(stored))


def identity_id(email: str) -> str:
    """The id that belongs to an address, so that an address has one identity by construction."""
    return f"id-{uuid5(_NAMESPACE, email.casefold())}"


def _cost() -> int:
    return int(os.environ["PASSWORD_HASH_COST"])


def _hash(password: str, salt: bytes, cost: int, rounds: int) -> str:
    return base64.b64encode(hashlib.scrypt(password.encode(), salt=salt, n=cost, p=rounds, **_SCRYPT)).decode()


def _matches(password: str, identity: dict[str, Any]) -> bool:
    cost, rounds = int(identity.get("cost", _FIRST_COST)), int(identity.get("rounds", _FIRST_ROUNDS))
    hashed = _hash(password, base64.b64decode(identity["salt"]), cost, rounds)
    return hmac.compare_digest(hashed, identity["password_hash"])


def _shown(identity: dict[str, Any]) -> dict[str, Any]:
    return {name: identity[name] for name in _SHOWN}


OPERATIONS = (
    Operation(
        "create_identity",
        "POST",
        "identity/identities",
        create_identity,
        "identities",
        lambda call: identity_id(call.body["email"]),
        REGISTRATION,
    ),
    Operation(
        "get_identity",
        "GET",
        "identity/identities/{identity_id}",
        get_identity,
        "identities",
        lambda call: call.ids["identity_id"],
    ),
    Operation(
        "authenticate",
        "POST",
        "identity/authentications",
        authenticate,
        "identities",
        lambda call: identity_id(call.body["email"]),
        CREDENTIALS,
    ),
)

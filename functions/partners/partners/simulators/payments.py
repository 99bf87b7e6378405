"""The payment provider: one charge per idempotency key.

charge {charge_id, status, amount, currency, idempotency_key, order_number}; status authorized or declined
"""

from typing import Any
from uuid import UUID, uuid5

from partners.domain.operations import Call, Operation, Outcome, id_key
from partners.domain.rules import different_content, fingerprint, get, parse_key_header
from partners.domain.schemas import CURRENCY, ID, integer, invalid, object_of, string

# Token -> (status of the charge, seconds until the response).
TOKENS = {"tok_ok": ("authorized", 0.0), "tok_declined": ("declined", 0.0), "tok_slow": ("authorized", 8.0)}

CHARGE = object_of(
    {"amount": integer(1), "currency": CURRENCY, "payment_token": string(128, 1), "order_number": ID}, closed=True
)
_NAMESPACE = UUID("b3f0a4c6-9d1e-5c2b-a7f4-1e6d8c9b0a35")
_VIEW_MEMBERS = ("charge_id", "status", "amount", "currency", "idempotency_key", "order_number")


def create_charge(call: Call, stored: dict[str, Any] | None) -> Outcome:
    """Charge once per key. A repeat gets its response at once, also for a charge whose first response was delayed.

    Raises ``HttpRefusal`` 409 for other content under the same key, 422 for an unknown token.
    """
    content = fingerprint(call.body)
    if stored:
        if stored["fingerprint"] != content:
            raise different_content()
        return Outcome(200, _charge_view(stored))
    if call.body["payment_token"] not in TOKENS:
        raise invalid("/payment_token", "is not known", status=422, code="UNKNOWN_TOKEN")
    status, delay = TOKENS[call.body["payment_token"]]
    key = _idempotency_key(call)
    charge = {
        "charge_id": f"ch-{uuid5(_NAMESPACE, key)}",
        "status": status,
        "amount": call.body["amount"],
        "currency": call.body["currency"],
        "idempotency_key": key,
        "order_number": call.body["order_number"],
        "fingerprint": content,
    }
    return Outcome(201, _charge_view(charge), document=charge, effect="created", delay_seconds=delay)


def get_charge(call: Call, stored: dict[str, Any] | None) -> Outcome:
    return Outcome(200, _charge_view(get("charge", stored).body))


def _charge_view(charge: dict[str, Any]) -> dict[str, Any]:
    return {name: charge[name] for name in _VIEW_MEMBERS}


def _idempotency_key(call: Call) -> str:
    return parse_key_header(call, "Idempotency-Key")


OPERATIONS = (
    Operation(
        "create_charge",
        "POST",
        "payments/charges",
        create_charge,
        "charges",
        _idempotency_key,
        CHARGE,
        ledger="charges",
    ),
    Operation(
        "get_charge",
        "GET",
        "payments/charges/{idempotency_key}",
        get_charge,
        "charges",
        id_key("idempotency_key"),
    ),
)

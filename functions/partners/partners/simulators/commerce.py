"""The commerce platform: orders, customers, and the legacy platform's customers; its products are in ``products_module``.

customer {customer_id, identity_id, name, email, phone?, addresses, ..., version, updated_at: {field: RFC 3339}}
"""

from typing import Any

from partners.domain.rules import get, not_found, put_latest, put_once
from partners.simulators import products as products_module
from partners.simulators.operations import Call, Operation, Outcome
from partners.simulators.schemas import EMAIL, ID, listing, record, same, text, whole
from setpieces.http_refusal import HttpRefusal

LINE = record({"sku": ID, "quantity": whole(1, 100_000)}, {"unit_price": whole(0)})
ORDER = record(
    {"customer_id": text(128), "lines": listing(LINE, 1), "totals": {"type": "object"}, "status": text(64, 1)},
)
CUSTOMER = record(
    {"identity_id": ID, "name": text(200, 1), "email": EMAIL},
    {
        "phone": text(40),
        "addresses": listing({"type": "object"}),
        "marketing_opt_in": {"type": "boolean"},
        "origin": text(40),
        "updated_at": {"type": "object"},
    },
)
LEGACY_CUSTOMER = record({"source_version": whole(1)}, {"name": text(200, 1), "email": EMAIL})
SYNC = record({"kind": {"enum": ["customer", "vip", "wishlist"]}, "event_id": ID, "data": {"type": "object"}})

# Members of a customer that the platform keeps itself.
KEPT = ("customer_id", "version", "updated_at")


def put_order(call: Call, stored: dict[str, Any] | None) -> Outcome:
    same(call.body, "order_number", call.ids["order_number"])
    return put_once(call.body | {"order_number": call.ids["order_number"]}, stored)


def get_order(call: Call, stored: dict[str, Any] | None) -> Outcome:
    return get("order", stored)


def get_customer(call: Call, stored: dict[str, Any] | None) -> Outcome:
    """Raises ``HttpRefusal`` 410 for a customer who was deleted, 404 for one who never was."""
    _not_deleted(stored)
    outcome = get("customer", stored)
    return Outcome(200, outcome.body, headers=_etag(outcome.body))


def put_customer(call: Call, stored: dict[str, Any] | None) -> Outcome:
    """Write if the customer is as the caller thinks: ``If-None-Match: *`` for none, ``If-Match: <version>`` for that one.

    Raises ``HttpRefusal`` 412 if not, 410 after deletion, 428 if the caller does not say.
    """
    same(call.body, "customer_id", call.ids["customer_id"])
    _not_deleted(stored)
    _check_precondition(call.headers, stored)
    before = stored or {"version": 0, "updated_at": {}}
    content = {name: value for name, value in call.body.items() if name not in KEPT}
    customer = content | {
        "customer_id": call.ids["customer_id"],
        "version": before["version"] + 1,
        "updated_at": _updated_at(content, before, call),
    }
    status, effect = (200, "updated") if stored else (201, "created")
    return Outcome(status, customer, headers=_etag(customer), document=customer, effect=effect)


def _updated_at(content: dict[str, Any], before: dict[str, Any], call: Call) -> dict[str, Any]:
    """When each field last changed: as the caller says, else now for a field whose value is new."""
    told = call.body.get("updated_at", {})
    known = before["updated_at"]
    return {
        name: told.get(name, known[name] if name in known and before.get(name) == value else call.now)
        for name, value in content.items()
    }


def delete_customer(call: Call, stored: dict[str, Any] | None) -> Outcome:
    """Leave a tombstone, also for a customer who has not arrived yet: a late copy must not bring them back."""
    if stored and stored.get("deleted"):
        return Outcome(204)
    tombstone = {"customer_id": call.ids["customer_id"], "deleted": True, "deleted_at": call.now}
    return Outcome(204, document=tombstone, effect="deleted")


def sync_customer(call: Call, stored: dict[str, Any] | None) -> Outcome:
    """One effect per ``event_id``; a repeat is answered from the first, whatever else it says."""
    if stored:
        return Outcome(200, stored)
    sync = call.body | {"customer_id": call.ids["customer_id"]}
    return Outcome(201, sync, document=sync, effect="created")


def get_legacy_customer(call: Call, stored: dict[str, Any] | None) -> Outcome:
    if stored is None or stored.get("deleted"):
        raise not_found("customer")
    return Outcome(200, stored)


def put_legacy_customer(call: Call, stored: dict[str, Any] | None) -> Outcome:
    same(call.body, "customer_id", call.ids["customer_id"])
    return put_latest(call.body | {"customer_id": call.ids["customer_id"]}, stored)


def delete_legacy_customer(call: Call, stored: dict[str, Any] | None) -> Outcome:
    return Outcome(204, document={"customer_id": call.ids["customer_id"], "deleted": True}, effect="deleted")


def _not_deleted(stored: dict[str, Any] | None) -> None:
    if stored and stored.get("deleted"):
        raise HttpRefusal(410, "DELETED", "This customer was deleted")


def _check_precondition(headers: dict[str, str], stored: dict[str, Any] | None) -> None:
    expected, none_expected = headers.get("if-match"), headers.get("if-none-match") == "*"
    if expected is None and not none_expected:
        raise HttpRefusal(428, "PRECONDITION_REQUIRED", "Send If-Match with the version, or If-None-Match: *")
    version = str(stored["version"]) if stored else None
    if (none_expected and stored) or (expected is not None and expected.strip().strip('"') != version):
        raise HttpRefusal(412, "PRECONDITION_FAILED", "The customer is not as expected")


def _etag(customer: dict[str, Any]) -> dict[str, str]:
    return {"ETag": f'"{customer["version"]}"'}


def _by(name: str) -> Any:
    return lambda call: call.ids[name]


_order_number, _customer_id = _by("order_number"), _by("customer_id")


def _sync_key(call: Call) -> str:
    return f"{call.ids['customer_id']}/{call.body['event_id']}"


_ORDER = "commerce/orders/{order_number}"
_CUSTOMER, _LEGACY = "commerce/customers/{customer_id}", "commerce/legacy/customers/{customer_id}"

OPERATIONS = (
    *products_module.OPERATIONS,
    Operation("get_order", "GET", _ORDER, get_order, "orders", _order_number),
    Operation("put_order", "PUT", _ORDER, put_order, "orders", _order_number, ORDER, ledger="platform-orders"),
    Operation("get_customer", "GET", _CUSTOMER, get_customer, "customers", _customer_id),
    Operation("put_customer", "PUT", _CUSTOMER, put_customer, "customers", _customer_id, CUSTOMER, ledger="customers"),
    Operation("delete_customer", "DELETE", _CUSTOMER, delete_customer, "customers", _customer_id, ledger="customers"),
    Operation(
        "sync_customer",
        "POST",
        f"{_CUSTOMER}/syncs",
        sync_customer,
        "customer-syncs",
        _sync_key,
        SYNC,
        ledger="customers",
        ledger_key=_customer_id,
    ),
    Operation("get_legacy_customer", "GET", _LEGACY, get_legacy_customer, "legacy-customers", _customer_id),
    Operation(
        "put_legacy_customer", "PUT", _LEGACY, put_legacy_customer, "legacy-customers", _customer_id, LEGACY_CUSTOMER
    ),
    Operation("delete_legacy_customer", "DELETE", _LEGACY, delete_legacy_customer, "legacy-customers", _customer_id),
)

"""The commerce platform: orders, customers, and the legacy platform's customers; products and stock have their own modules.

customer {customer_id, identity_id, name, email, phone?, addresses, ..., version, updated_at: {field: RFC 3339}}
"""

from typing import Any

from partners.domain.operations import Call, Operation, Outcome, id_key
from partners.domain.rules import get, not_found, put_latest, put_once, sync_key, sync_once
from partners.domain.schemas import EMAIL, ID, array_of, check_id, integer, object_of, string
from partners.simulators import products, stock
from setpieces.http_refusal import HttpRefusal

LINE = object_of({"sku": ID, "quantity": stock.QUANTITY}, {"unit_price": integer(0)})
ORDER_LINES = array_of(LINE, 1, stock.MAX_LINES)
ORDER = object_of(
    {"customer_id": string(128), "lines": ORDER_LINES, "totals": {"type": "object"}, "status": string(64, 1)},
)
CUSTOMER = object_of(
    {"identity_id": ID, "name": string(200, 1), "email": EMAIL},
    {
        "phone": string(40),
        "addresses": array_of({"type": "object"}),
        "marketing_opt_in": {"type": "boolean"},
        "origin": string(40),
        "updated_at": {"type": "object"},
    },
)
LEGACY_CUSTOMER = object_of({"source_version": integer(1)}, {"name": string(200, 1), "email": EMAIL})
SYNC = object_of({"kind": {"enum": ["customer", "vip", "wishlist"]}, "event_id": ID, "data": {"type": "object"}})

# Members of a customer that the platform sets itself.
READ_ONLY = ("customer_id", "version", "updated_at")


def put_order(call: Call, stored: dict[str, Any] | None) -> Outcome:
    check_id(call.body, "order_number", call.ids["order_number"])
    return put_once(call.body | {"order_number": call.ids["order_number"]}, stored)


def get_order(call: Call, stored: dict[str, Any] | None) -> Outcome:
    return get("order", stored)


def get_customer(call: Call, stored: dict[str, Any] | None) -> Outcome:
    """Raises ``HttpRefusal`` 410 for a deleted customer, 404 for an unknown one."""
    _check_not_deleted(stored)
    outcome = get("customer", stored)
    return Outcome(200, outcome.body, headers=_etag(outcome.body))


def put_customer(call: Call, stored: dict[str, Any] | None) -> Outcome:
    """Create (``If-None-Match: *``) or replace (``If-Match: <version>``) a customer.

    Raises ``HttpRefusal`` 412 if the precondition does not hold, 428 without one, 410 after deletion.
    """
    check_id(call.body, "customer_id", call.ids["customer_id"])
    _check_not_deleted(stored)
    _check_precondition(call.headers, stored)
    before = stored or {"version": 0, "updated_at": {}}
    content = {name: value for name, value in call.body.items() if name not in READ_ONLY}
    customer = content | {
        "customer_id": call.ids["customer_id"],
        "version": before["version"] + 1,
        "updated_at": _updated_at(content, before, call),
    }
    status, effect = (200, "updated") if stored else (201, "created")
    return Outcome(status, customer, headers=_etag(customer), document=customer, effect=effect)


def delete_customer(call: Call, stored: dict[str, Any] | None) -> Outcome:
    """Store a tombstone, also for an unknown customer: a late copy must not create them again."""
    if stored and stored.get("deleted"):
        return Outcome(204)
    tombstone = {"customer_id": call.ids["customer_id"], "deleted": True, "deleted_at": call.now}
    return Outcome(204, document=tombstone, effect="deleted")


def get_legacy_customer(call: Call, stored: dict[str, Any] | None) -> Outcome:
    if stored is None or stored.get("deleted"):
        raise not_found("customer")
    return Outcome(200, stored)


def put_legacy_customer(call: Call, stored: dict[str, Any] | None) -> Outcome:
    check_id(call.body, "customer_id", call.ids["customer_id"])
    return put_latest(call.body | {"customer_id": call.ids["customer_id"]}, stored)


def delete_legacy_customer(call: Call, stored: dict[str, Any] | None) -> Outcome:
    return Outcome(204, document={"customer_id": call.ids["customer_id"], "deleted": True}, effect="deleted")


def _updated_at(content: dict[str, Any], before: dict[str, Any], call: Call) -> dict[str, Any]:
    """The time of each field's last change: the caller's, else ``call.now`` for a new value."""
    sent = call.body.get("updated_at", {})
    stored = before["updated_at"]
    return {
        name: sent.get(name, stored[name] if name in stored and before.get(name) == value else call.now)
        for name, value in content.items()
    }


def _check_not_deleted(stored: dict[str, Any] | None) -> None:
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


_order_number, _customer_id = id_key("order_number"), id_key("customer_id")
_ORDER = "commerce/orders/{order_number}"
_CUSTOMER, _LEGACY = "commerce/customers/{customer_id}", "commerce/legacy/customers/{customer_id}"

OPERATIONS = (
    *products.OPERATIONS,
    *stock.OPERATIONS,
    Operation("get_order", "GET", _ORDER, get_order, "orders", _order_number),
    Operation(
        "put_order",
        "PUT",
        _ORDER,
        put_order,
        "orders",
        _order_number,
        ORDER,
        ledger="platform-orders",
        first=stock.COMMIT_ORDER,
    ),
    Operation("get_customer", "GET", _CUSTOMER, get_customer, "customers", _customer_id),
    Operation("put_customer", "PUT", _CUSTOMER, put_customer, "customers", _customer_id, CUSTOMER, ledger="customers"),
    Operation("delete_customer", "DELETE", _CUSTOMER, delete_customer, "customers", _customer_id, ledger="customers"),
    Operation(
        "sync_customer",
        "POST",
        f"{_CUSTOMER}/syncs",
        sync_once,
        "customer-syncs",
        sync_key,
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

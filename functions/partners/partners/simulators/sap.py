"""The fulfilment system: one shipment per order.

shipment {order_number, customer_id, lines, ship_to, sequence?}
"""

from typing import Any

from partners.domain.operations import Call, Operation, Outcome, id_key
from partners.domain.rules import get, put_once
from partners.domain.schemas import ID, array_of, check_id, integer, object_of, string

LINE = object_of({"sku": ID, "quantity": integer(1, 100_000)})
SHIPMENT = object_of(
    {"customer_id": string(128), "lines": array_of(LINE, 1), "ship_to": {"type": "object"}}, {"sequence": integer(0)}
)


def create_shipment(call: Call, stored: dict[str, Any] | None) -> Outcome:
    check_id(call.body, "order_number", call.ids["order_number"])
    return put_once(call.body | {"order_number": call.ids["order_number"]}, stored)


def get_shipment(call: Call, stored: dict[str, Any] | None) -> Outcome:
    return get("shipment", stored)


_SHIPMENT = "sap/shipments/{order_number}"
_order_number = id_key("order_number")

OPERATIONS = (
    Operation(
        "create_shipment", "PUT", _SHIPMENT, create_shipment, "shipments", _order_number, SHIPMENT, ledger="shipments"
    ),
    Operation("get_shipment", "GET", _SHIPMENT, get_shipment, "shipments", _order_number),
)

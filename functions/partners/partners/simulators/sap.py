"""The fulfilment system: one shipment per order.

shipment {order_number, customer_id, lines, ship_to, sequence?}
"""

from typing import Any

from partners.domain.rules import get, put_once
from partners.simulators.operations import Call, Operation, Outcome
from partners.simulators.schemas import ID, listing, record, same, text, whole

LINE = record({"sku": ID, "quantity": whole(1, 100_000)})
SHIPMENT = record(
    {"customer_id": text(128), "lines": listing(LINE, 1), "ship_to": {"type": "object"}}, {"sequence": whole(0)}
)


def create_shipment(call: Call, stored: dict[str, Any] | None) -> Outcome:
    same(call.body, "order_number", call.ids["order_number"])
    return put_once(call.body | {"order_number": call.ids["order_number"]}, stored)


def get_shipment(call: Call, stored: dict[str, Any] | None) -> Outcome:
    return get("shipment", stored)


def _order_number(call: Call) -> str:
    return call.ids["order_number"]


_SHIPMENT = "sap/shipments/{order_number}"

OPERATIONS = (
    Operation(
        "create_shipment", "PUT", _SHIPMENT, create_shipment, "shipments", _order_number, SHIPMENT, ledger="shipments"
    ),
    Operation("get_shipment", "GET", _SHIPMENT, get_shipment, "shipments", _order_number),
)

"""Requests for a quotation, parsed into commands."""

import re

from orders.domain.delivery import ECONOMY
from orders.domain.quotations import MAX_VOUCHERS, Terms
from orders.requests.addresses import check_postal_code
from setpieces.fields import CUSTOMER_ID, postal_address, text
from setpieces.json_body import JsonBody
from setpieces.rest_api import Request

_ADDRESS = postal_address("country")
NEW_QUOTATION = JsonBody(
    {
        "type": "object",
        "required": ["basket_id", "ship_to"],
        "properties": {
            "basket_id": CUSTOMER_ID,
            "ship_to": _ADDRESS
            | {"properties": {name: _ADDRESS["properties"][name] for name in ("country", "region", "postal_code")}},
            "delivery_method": text(1, 40),
            "voucher_codes": {
                "type": "array",
                "items": text(1, 64),
                "maxItems": MAX_VOUCHERS,
                "description": f"at most {MAX_VOUCHERS} codes of vouchers",
            },
        },
        "additionalProperties": False,
    }
)
# As people type a code.
_IGNORED = re.compile(r"[\s-]")


def parse_create_quotation(request: Request) -> Terms:
    """Raises ``Refused`` INVALID_REQUEST."""
    body = NEW_QUOTATION.parse(request)
    check_postal_code(body["ship_to"])
    return Terms(
        basket_id=body["basket_id"],
        ship_to=body["ship_to"],
        delivery_method=body.get("delivery_method", ECONOMY),
        voucher_codes=tuple(_IGNORED.sub("", code).upper() for code in body.get("voucher_codes", [])),
    )

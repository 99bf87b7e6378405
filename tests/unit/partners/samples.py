"""Bodies of requests to the simulators."""

from typing import Any

PRODUCT: dict[str, Any] = {"name": "Tower", "unit_price": 1999, "currency": "EUR", "version": 3}
CHARGE: dict[str, Any] = {"amount": 4200, "currency": "EUR", "payment_token": "tok_ok", "order_number": "T100000000"}
ORDER: dict[str, Any] = {
    "customer_id": "C1",
    "lines": [{"sku": "S-1", "quantity": 2}],
    "totals": {"net": 10},
    "status": "placed",
}
SHIPMENT: dict[str, Any] = {"customer_id": "C1", "lines": [{"sku": "S-1", "quantity": 2}], "ship_to": {"country": "DE"}}
CUSTOMER: dict[str, Any] = {"identity_id": "id-1", "name": "Ada", "email": "ada@example.com"}
MEMBER: dict[str, Any] = {"rewards_id": "R1", "identity_id": "id-1", "points": 5, "tier": "gold"}
QUOTATION: dict[str, Any] = {
    "currency": "EUR",
    "ship_to": {"country": "DE", "postal_code": "10115"},
    "lines": [{"sku": "S-1", "quantity": 3, "unit_price": 333}],
}
LOGIN: dict[str, Any] = {"email": "ada@example.com", "password": "correct horse"}

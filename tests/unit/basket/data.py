"""Data of the basket's tests."""

from typing import Any

BASKET = "basket-of-a-unit-test-1"
PRODUCT = {
    "sku": "SP-1",
    "name": "Tower",
    "unit_price": 1999,
    "currency": "EUR",
    "available": True,
    "status": "active",
    "stock": 50,
    "max_per_customer": 10,
    "price_version": 1,
    "version": 4,
}
# A request to add an item.
ONE: dict[str, Any] = {"sku": "SP-1", "quantity": 1}

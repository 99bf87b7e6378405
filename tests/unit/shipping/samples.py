"""An order to ship."""

ORDER = {
    "order_number": "T100000001",
    "customer_id": "C100000001",
    "lines": [{"sku": "SP-1", "quantity": 2, "unit_price": 3999}],
    "totals": {"amount": 7998, "currency": "EUR"},
    "ship_to": {"country": "DE", "postal_code": "50667"},
    "status": "Complete",
}

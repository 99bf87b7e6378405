"""A request for a quotation, and the tax that it leads to."""

PATH = "/tax/v1/quotations"

REQUEST = {
    "order_number": "T100000001",
    "currency": "EUR",
    "ship_to": {"country": "DE", "postal_code": "50667"},
    "lines": [
        {"sku": "SP-10001", "quantity": 3, "unit_price": 1999},
        {"sku": "SP-10002", "quantity": 1, "unit_price": 1},
    ],
}

TAX_IN_GERMANY = 1139  # 19 % of 59.97 and of 0.01, each rounded half up

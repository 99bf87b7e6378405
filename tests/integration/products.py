"""Products that a test puts into the commerce platform."""

from tools.client import Shop, unique, with_retries


def put_product(shop: Shop, **changes) -> dict:
    """A product of the commerce platform that no other test buys."""
    product = {
        "sku": unique("SKU"),
        "name": "Test Tower",
        "description": "A tower.",
        "category": "Tests",
        "unit_price": 1999,
        "currency": "EUR",
        "available": False,
        "stock": 0,
        "version": 1,
    } | changes
    response = with_retries(lambda: shop.call("PUT", f"/partners/v1/commerce/products/{product['sku']}", json=product))
    assert response.status_code in (200, 201), response.text
    return product

"""Products of the commerce platform: sell one, change its price, read its stock."""

from typing import Any

from tools.client import Shop, eventually, unique, with_retries

# The platform's counts of a product, which add up to the received ones.
PARTS = ("sold", "reserved", "available")


def sell(shop: Shop, prefix: str, **changes: Any) -> dict[str, Any]:
    """A new product, whose SKU contains ``prefix`` in capital letters; ``changes`` are members of the product.

    Its SKU begins with ZZ, so the catalogue lists it after the sample products. The smoke test buys the first product of the
    catalogue, which must not be one whose stock a test uses up.
    """
    product = {
        "sku": unique(f"zz-{prefix}").upper(),
        "name": "Campaign Tower",
        "unit_price": 1999,
        "currency": "EUR",
        "version": 1,
        "price_version": 1,
        "stock": 1_000_000,
        "max_per_customer": 1000,
    } | changes
    path = f"/partners/v1/commerce/products/{product['sku']}"
    response = with_retries(lambda: shop.call("PUT", path, json=product))
    assert response.status_code in (200, 201), response.text
    return product


def change_price(shop: Shop, product: dict[str, Any], unit_price: int) -> None:
    """Change the price of a product of ``sell``, which holds the new one then."""
    product |= {"unit_price": unit_price, "price_version": product["price_version"] + 1}
    update = {name: product[name] for name in ("sku", "unit_price", "currency")} | {"version": product["price_version"]}
    path = "/partners/v1/commerce/product-updates/pricing"

    def is_updated() -> bool:
        response = with_retries(lambda: shop.call("POST", path, json={"updates": [update]}))
        assert response.status_code == 200, response.text
        (result,) = response.json()["results"]
        # 500 and 503: faults of the platform.
        assert result["status"] in (200, 500, 503), result
        return bool(result["status"] == 200)

    eventually(is_updated)


def stock_of(shop: Shop, sku: str) -> dict[str, int]:
    """The platform's counts of a product: {received, sold, reserved, available}."""
    response = with_retries(lambda: shop.call("GET", f"/partners/v1/commerce/stock/{sku}"))
    assert response.status_code == 200, response.text
    counts = response.json()
    return {name: counts[name] for name in ("received", *PARTS)}

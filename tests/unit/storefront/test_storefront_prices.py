"""Prices before the checkout have no tax, and each page says so; the checkout adds tax and delivery."""

import html
import re

import httpx
import pytest

from app.pages import TEMPLATES
from tests.unit.storefront_app import Browser
from tests.unit.storefront_shop import Shop, browser

PRODUCT = {
    "sku": "SP-1",
    "name": "Tower",
    "description": "Of bricks.",
    "unit_price": 123456,
    "currency": "EUR",
    "available": True,
}
ADDED = "The checkout shows the full price, with tax and delivery, before you buy."
# Their amounts are those of a quotation or an order; ``test_storefront_checkout`` has the words around them.
WITH_QUOTATION = {"checkout.html", "account.html", "prices.html"}


def text(page: httpx.Response) -> str:
    """The words of a page."""
    assert page.status_code == 200
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page.text.partition("<main")[2])).split())


def catalog(request: httpx.Request) -> httpx.Response:
    if request.url.path.endswith("/products"):
        return httpx.Response(200, json={"items": [PRODUCT, PRODUCT | {"sku": "SP-2"}]})
    return httpx.Response(200, json=PRODUCT)


@pytest.mark.parametrize(
    ("path", "prices"), [("/", 2), ("/products", 2), ("/products?query=a", 2), ("/products/SP-1", 1)]
)
def test_prices_of_products_are_without_tax(path: str, prices: int):
    page = text(Browser(catalog).get(path))
    assert page.count("1,234.56 EUR") == page.count("1,234.56 EUR without tax") == prices
    assert page.count(ADDED) == 1


def test_prices_and_total_of_a_basket_are_without_tax():
    page = text(browser(Shop()).get("/basket"))
    assert page.count("EUR") == page.count("EUR without tax") == 2
    assert "Total 20.00 EUR without tax" in page
    assert page.count(ADDED) == 1


def test_an_empty_list_and_an_empty_basket_say_nothing_of_tax():
    assert "tax" not in text(Browser(lambda request: httpx.Response(200, json={"items": []})).get("/products"))
    shop = Shop()
    shop.items = {}
    assert "tax" not in text(browser(shop).get("/basket"))


@pytest.mark.parametrize("template", sorted({file.name for file in TEMPLATES.glob("*.html")} - WITH_QUOTATION))
def test_only_the_macro_shows_amounts_before_the_checkout(template: str):
    assert "| money" not in (TEMPLATES / template).read_text()

"""What customers do in the shop's pages."""

import re
from typing import Any

from playwright.sync_api import Page, expect

from tools.client import Shop

STATUS = "#status"
# The fields of the checkout by the beginning of their labels.
FIELDS = {
    "Name": "Ada Sample",
    "Street": "Brick Lane 1",
    "Postal code": "10115",
    "City": "Berlin",
    "E-mail": "ada@example.com",
}


def sign_in(page: Page, shop: Shop, who: str) -> None:
    page.goto("/sign-in")
    page.get_by_label("E-mail").fill(shop.samples[who]["email"])
    page.get_by_label("Password").fill(shop.samples[who]["password"])
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("button", name="Sign out", exact=True)).to_be_visible()


def put_into_basket(page: Page, product: dict[str, Any]) -> None:
    page.goto(f"/products/{product['sku']}")
    page.get_by_role("button", name="Add to basket").click()
    expect(page.get_by_role("heading", name="Basket")).to_be_visible()


def type_into_checkout(page: Page, card: str = "accepted", voucher: str = "") -> None:
    """Fill in the form of the checkout that is open."""
    for label, text in FIELDS.items():
        field = page.get_by_label(re.compile(f"^{label}"))
        # Signed-in customers have no field for the e-mail address.
        if field.count():
            field.fill(text)
    page.get_by_label(re.compile(card)).check()
    page.get_by_label("Voucher 1").fill(voucher)


def fill_in_checkout(page: Page, card: str = "accepted", voucher: str = "") -> None:
    """Open the checkout, fill it in, and update the summary."""
    page.goto("/checkout")
    type_into_checkout(page, card, voucher)
    page.get_by_role("button", name="Update summary").click()
    expect(page.get_by_role("heading", name="Order summary")).to_be_visible()


def buy(page: Page, **how: str) -> None:
    fill_in_checkout(page, **how)
    page.get_by_role("button", name="Buy now").click()

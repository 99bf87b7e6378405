"""Customers and admins use the shop in a real browser."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import PATIENCE, accessible
from tests.browser.shopper import FIELDS, STATUS, buy, fill_in_checkout, put_into_basket, sign_in
from tools.client import Shop, unique

PHONE = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}
LOOKS = {
    "phone": PHONE,
    "desktop": {"viewport": {"width": 1280, "height": 900}},
    "dark": {"color_scheme": "dark"},
    "without-scripts": {"java_script_enabled": False},
}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS, indirect=True)
def test_a_new_customer_orders_and_watches_the_order(shop: Shop, page: Page, products: list[dict]):
    product = products[0]
    page.goto("/")
    page.get_by_label("Search products").fill(product["name"])
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name=product["name"]).first.click()
    page.get_by_role("button", name="Add to basket").click()
    page.get_by_role("link", name="Checkout").click()
    with shop.faults("payments", error_rate=1):
        buy(page)
        expect(page.get_by_role("heading", name="Order")).to_be_visible()
        expect(page.locator(STATUS)).to_have_text("Processing")
    expect(page.locator(STATUS)).to_have_text("Complete", timeout=PATIENCE)


def test_a_declined_card_shows_a_message_and_charges_nothing(page: Page, products: list[dict]):
    put_into_basket(page, products[0])
    buy(page, card="declined")
    expect(page.locator(STATUS)).to_have_text("Failed", timeout=PATIENCE)
    expect(page.get_by_text("Nothing was charged")).to_be_visible()


def test_one_basket_in_two_tabs(context: BrowserContext, page: Page, products: list[dict]):
    first, second = products[:2]
    other = context.new_page()
    put_into_basket(page, first)
    put_into_basket(other, second)
    expect(other.get_by_role("rowheader")).to_have_count(3)  # both, and the total
    # The first tab shows the earlier basket; its change applies nevertheless.
    page.get_by_label(f"Quantity of {first['name']}").fill("4")
    page.get_by_role("button", name="Change").first.click()
    expect(page.get_by_role("rowheader")).to_have_count(3)
    other.reload()
    expect(other.get_by_label(f"Quantity of {first['name']}")).to_have_value("4")


def test_an_admin_downloads_a_batch_of_vouchers_and_redeems_one(
    shop: Shop, page: Page, context: BrowserContext, products: list[dict], tmp_path: Path
):
    sign_in(page, shop, "admin")
    page.get_by_role("link", name="Administration").click()
    page.get_by_role("link", name="New batch").click()
    page.get_by_label("Campaign").fill(unique("Browser"))
    page.get_by_label("Number of vouchers").fill("500")
    page.get_by_role("button", name="Create vouchers").click()
    expect(page.get_by_role("progressbar")).to_be_visible()
    expect(page.locator(STATUS)).to_have_text("COMPLETE", timeout=PATIENCE)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download 500 codes").click()
    file = tmp_path / "codes.csv"
    download.value.save_as(file)
    lines = file.read_text().split()
    codes = [line.split(",")[0] for line in lines if any(sign.isdigit() for sign in line)]
    assert len(codes) >= 500
    page.get_by_role("button", name="Sign out", exact=True).click()

    put_into_basket(page, products[0])
    buy(page, voucher=codes[-1])
    expect(page.locator(STATUS)).to_have_text("Complete", timeout=PATIENCE)
    put_into_basket(page, products[0])
    fill_in_checkout(page, voucher=codes[-1])
    expect(page.get_by_text("This voucher has already been used.").last).to_be_visible()
    expect(page.get_by_role("button", name="Buy now")).to_have_count(0)


def test_the_live_map_shows_a_checkout_in_progress(
    shop: Shop, page: Page, context: BrowserContext, products: list[dict]
):
    sign_in(page, shop, "admin")
    page.get_by_role("link", name="Administration").click()
    page.get_by_role("link", name="Live map").click()
    expect(page.get_by_role("img", name="Set pieces around the bus")).to_be_visible()
    shopper = context.new_page()
    put_into_basket(shopper, products[0])
    buy(shopper)
    expect(shopper.locator(STATUS)).to_have_text("Complete", timeout=PATIENCE)
    number = shopper.url.rpartition("/")[2]
    shopper.close()
    page.bring_to_front()
    # The page updates without a reload.
    expect(page.locator("ol > li").filter(has_text=number).first).to_be_visible(timeout=PATIENCE)
    expect(page.locator("ol > li").filter(has_text="CHECKOUT/ORDER/COMPLETE")).to_be_visible(timeout=PATIENCE)


def test_an_old_address_leads_to_the_product_in_one_hop(page: Page):
    hops = []
    page.on("response", lambda response: hops.append(response.status) if 300 <= response.status < 400 else None)
    page.goto("/p/10001-old-name")
    expect(page).to_have_url(re.compile(r"/products/SP-10001$"))
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert len(hops) == 1


def test_a_checkout_by_keyboard_alone(page: Page, products: list[dict]):
    def to(name: str) -> None:
        """Press the tab key until the named control has the focus."""
        for _ in range(60):
            page.keyboard.press("Tab")
            label = page.evaluate(
                "() => { const e = document.activeElement; return (e.labels?.[0]?.textContent || e.textContent || '').trim() }"
            )
            if label.startswith(name):
                return
        raise AssertionError(f"{name} is never reached")

    page.goto(f"/products/{products[0]['sku']}")
    to("Skip to content")
    page.keyboard.press("Enter")
    to("Add to basket")
    page.keyboard.press("Enter")
    page.wait_for_url("**/basket")
    to("Checkout")
    page.keyboard.press("Enter")
    page.wait_for_url("**/checkout")
    for name, text in FIELDS.items():
        to(name)
        page.keyboard.type(text)
    # As the button "Update summary", which is the first one of the form.
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Buy now")).to_be_visible()
    to("A card that is accepted")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    to("Buy now")
    page.keyboard.press("Enter")
    expect(page.locator(STATUS)).to_have_text("Complete", timeout=PATIENCE)


@pytest.mark.parametrize("look", [PHONE, PHONE | {"color_scheme": "dark"}], ids=["light", "dark"], indirect=True)
def test_every_page_is_accessible_and_fits_a_phone(shop: Shop, page: Page, products: list[dict]):
    def check() -> None:
        accessible(page)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{page.url} is too wide"

    for path in (
        "/",
        "/products",
        "/products?query=nothing-of-the-kind",
        "/basket",
        "/sign-in",
        "/sign-up",
        "/sign-up/confirm",
        "/nowhere",
    ):
        page.goto(path)
        check()
    put_into_basket(page, products[0])
    check()
    page.goto("/checkout")
    check()
    fill_in_checkout(page, voucher="no such code")
    check()
    page.get_by_label("Voucher 1").fill("")
    fill_in_checkout(page, card="declined")
    check()
    page.get_by_role("button", name="Buy now").click()
    expect(page.locator(STATUS)).to_have_text("Failed", timeout=PATIENCE)
    check()
    sign_in(page, shop, "customer")
    page.goto("/account")
    check()
    page.get_by_role("button", name="Sign out", exact=True).click()
    sign_in(page, shop, "admin")
    for path in ("/admin", "/admin/vouchers", "/admin/architecture"):
        page.goto(path)
        check()

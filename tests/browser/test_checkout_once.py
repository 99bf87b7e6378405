"""One order, at the price that was shown: with two tabs, the back button, double clicks and lost connections."""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from playwright.sync_api import BrowserContext, Error, Page, Route, expect

from tests.browser.conftest import PATIENCE
from tests.browser.shopper import STATUS, fill_in_checkout, put_into_basket, type_into_checkout
from tools.client import Shop

WITH_AND_WITHOUT_SCRIPTS = pytest.mark.parametrize(
    "look", [{}, {"java_script_enabled": False}], ids=["scripts", "no scripts"], indirect=True
)
ORDER = re.compile(r"/orders/(T[0-9]+)$")


def total(page: Page) -> int:
    """The total that the summary shows, in minor units."""
    return int(re.sub(r"[^0-9]", "", page.locator("#total").inner_text()))


def press_buy(page: Page) -> None:
    page.get_by_role("button", name="Buy now").click()


def order_number(page: Page) -> str:
    """The order that the page shows, once it is complete."""
    expect(page).to_have_url(ORDER)
    expect(page.locator(STATUS)).to_have_text("Complete", timeout=PATIENCE)
    match = ORDER.search(page.url)
    assert match
    return match[1]


def charged(shop: Shop, number: str) -> int:
    """What the commerce platform has as the amount of an order."""
    response = shop.call("GET", f"/partners/v1/commerce/orders/{number}")
    assert response.status_code == 200, response.text
    amount: int = response.json()["totals"]["amount"]
    return amount


@WITH_AND_WITHOUT_SCRIPTS
def test_a_double_click_is_one_order(shop: Shop, page: Page, products: list[dict]):
    put_into_basket(page, products[0])
    fill_in_checkout(page)
    shown, sent = total(page), []
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    page.get_by_role("button", name="Buy now").dblclick()
    number = order_number(page)
    assert sent
    assert charged(shop, number) == shown
    page.goto("/basket")
    expect(page.get_by_text("Your basket is empty")).to_be_visible(timeout=PATIENCE)


@WITH_AND_WITHOUT_SCRIPTS
def test_two_tabs_of_one_checkout_are_one_order(shop: Shop, context: BrowserContext, page: Page, products: list[dict]):
    put_into_basket(page, products[0])
    fill_in_checkout(page)
    shown, other = total(page), context.new_page()
    fill_in_checkout(other, card="declined")
    with shop.faults("payments", error_rate=1):
        press_buy(page)
        press_buy(other)
        expect(other).to_have_url(ORDER)
    numbers = {order_number(page), order_number(other)}
    assert len(numbers) == 1
    assert charged(shop, numbers.pop()) == shown


@WITH_AND_WITHOUT_SCRIPTS
def test_a_basket_that_another_tab_changes_is_confirmed_again(
    shop: Shop, context: BrowserContext, page: Page, products: list[dict]
):
    put_into_basket(page, products[0])
    fill_in_checkout(page)
    before = total(page)
    put_into_basket(context.new_page(), products[1])
    press_buy(page)
    expect(page.get_by_role("heading", name="What has changed")).to_be_visible()
    expect(page.get_by_role("row", name=re.compile("not included"))).to_contain_text(products[1]["name"])
    expect(page.get_by_label("City")).to_have_value("Berlin")
    now = total(page)
    assert now > before
    press_buy(page)
    assert charged(shop, order_number(page)) == now


@WITH_AND_WITHOUT_SCRIPTS
def test_back_after_buying_orders_nothing_again(shop: Shop, page: Page, products: list[dict]):
    put_into_basket(page, products[0])
    fill_in_checkout(page)
    shown = total(page)
    with shop.faults("payments", error_rate=1):
        press_buy(page)
        expect(page).to_have_url(ORDER)
        order_page = page.url
        # The basket is being ordered: the checkout leads to the order.
        page.goto("/checkout")
        expect(page).to_have_url(order_page)
        page.goto("/basket")
        expect(page.get_by_role("button", name="Change")).to_have_count(0)
    page.goto(order_page)
    assert charged(shop, order_number(page)) == shown
    page.go_back()
    page.go_back()
    page.goto("/checkout")
    expect(page.get_by_text("Your basket is empty")).to_be_visible(timeout=PATIENCE)


@WITH_AND_WITHOUT_SCRIPTS
def test_a_declined_card_gives_back_the_basket_and_what_was_typed(shop: Shop, page: Page, products: list[dict]):
    put_into_basket(page, products[0])
    fill_in_checkout(page, card="declined")
    press_buy(page)
    expect(page.locator(STATUS)).to_have_text("Failed", timeout=PATIENCE)
    expect(page.get_by_text("Your card was declined.")).to_be_visible()
    page.get_by_role("link", name="Back to your basket").click()
    page.get_by_role("link", name="Checkout").click()
    expect(page.get_by_label("City")).to_have_value("Berlin")
    page.get_by_label(re.compile("accepted")).check()
    shown = total(page)
    press_buy(page)
    assert charged(shop, order_number(page)) == shown


@contextmanager
def lost_connection(page: Page, method: str, path: str, *, is_received: bool) -> Iterator[None]:
    """Lose the connection during the first request of the block, before or after the server receives it."""
    lost: list[str] = []

    def lose(route: Route) -> None:
        if lost or route.request.method != method:
            route.continue_()
            return
        lost.append(route.request.url)
        if is_received:
            route.fetch(max_redirects=0)
        route.abort("connectionreset")

    page.route(path, lose)
    yield
    page.wait_for_url("chrome-error://**")
    # As the button of the browser's error page; it sends a form again.
    page.reload()
    page.unroute(path)
    assert lost


@WITH_AND_WITHOUT_SCRIPTS
@pytest.mark.parametrize("is_received", [False, True], ids=["before the server", "after the server"])
def test_a_connection_lost_at_every_step_is_one_order(shop: Shop, page: Page, products: list[dict], is_received: bool):
    page.goto(f"/products/{products[0]['sku']}")
    with lost_connection(page, "POST", "**/basket", is_received=is_received):
        page.get_by_role("button", name="Add to basket").click()
    expect(page.get_by_label(f"Quantity of {products[0]['name']}")).to_have_value("1")
    with lost_connection(page, "GET", "**/checkout", is_received=is_received):
        page.get_by_role("link", name="Checkout").click()
    type_into_checkout(page)
    with lost_connection(page, "POST", "**/checkout", is_received=is_received):
        page.get_by_role("button", name="Update summary").click()
    expect(page.get_by_label("City")).to_have_value("Berlin")
    page.get_by_label("Express").check()
    page.get_by_role("button", name="Update summary").click()
    with lost_connection(page, "GET", "**/checkout", is_received=is_received), suppress(Error):
        page.goto("/checkout")
    expect(page.get_by_label("Express")).to_be_checked()
    shown = total(page)
    with lost_connection(page, "POST", "**/checkout", is_received=is_received):
        press_buy(page)
    number = order_number(page)
    with lost_connection(page, "GET", "**/orders/*", is_received=is_received), suppress(Error):
        page.goto(f"/orders/{number}")
    assert order_number(page) == number
    assert charged(shop, number) == shown
    page.goto("/basket")
    expect(page.get_by_text("Your basket is empty")).to_be_visible(timeout=PATIENCE)

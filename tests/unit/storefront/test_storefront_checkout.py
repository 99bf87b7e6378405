"""Checkout: a refused voucher leaves no order, and one version of a basket is one order."""

import re
from typing import Any

import httpx
import pytest

from tests.unit.storefront_app import Browser, problem, sent

ADDRESS = {"name": "Ada Sample", "postal_code": "10115", "city": "Berlin", "country": "DE"}
LINE = {"sku": "SP-1", "quantity": 1, "unit_price": 1999}
TOTALS = {"lines": 1, "quantity": 1, "amount": 1999, "currency": "EUR"}


class Shop:
    """Fakes the APIs: a basket, one voucher, and orders by Idempotency-Key."""

    def __init__(self) -> None:
        self.version = 1
        self.orders: dict[str, dict[str, Any]] = {}
        self.redeemed_under = ""
        self.redeemed_for = ""
        self.voucher_refusal: httpx.Response | None = None
        self.failing: dict[str, httpx.Response] = {}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        service, path = request.url.host, request.url.path
        key = request.headers.get("idempotency-key", "")
        if service in self.failing:
            return self.failing.pop(service)
        if service == "basket":
            basket = path.rpartition("/")[2]
            return httpx.Response(
                200, json={"basket_id": basket, "version": self.version, "items": [dict(LINE)], "totals": TOTALS}
            )
        if service == "catalog":
            return httpx.Response(200, json={"name": "Tower"})
        if service == "vouchers" and request.method == "GET":
            return httpx.Response(200, json={"status": "REDEEMED" if self.redeemed_under else "ACTIVE"})
        if service == "vouchers":
            if self.voucher_refusal:
                return self.voucher_refusal
            if self.redeemed_under not in ("", key):
                return problem(409, "VOUCHER_REDEEMED")
            self.redeemed_under = key
            self.redeemed_for = sent(request).get("order_number", self.redeemed_for)
            return httpx.Response(201, json={"status": "REDEEMED"})
        assert (service, request.method, path) == ("orders", "POST", "/v1/orders")
        order = sent(request)
        if self.orders.setdefault(key, order) != order:
            return problem(409, "IDEMPOTENCY_KEY_REUSED")
        number = list(self.orders).index(key) + 1
        return httpx.Response(202, json={"order_number": f"T10000000{number}", "status": "Processing"})


@pytest.fixture
def shop() -> Shop:
    return Shop()


def browser(shop: Shop) -> Browser:
    """A browser with an item in its basket."""
    client = Browser(shop)
    client.post("/basket", {"sku": "SP-1", "quantity": "1", "form": "f"})
    return client


def form_key_of(page: httpx.Response) -> str:
    match = re.search(r'name="form" value="([^"]+)"', page.text)
    assert match, page.text
    return match[1]


def filled(page: httpx.Response, **changes: str) -> dict[str, str]:
    return ADDRESS | {"card": "tok_ok", "voucher": "", "form": form_key_of(page)} | changes


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (404, "VOUCHER_NOT_FOUND"),
        (409, "VOUCHER_REDEEMED"),
        (409, "VOUCHER_EXPIRED"),
        (409, "VOUCHER_CANCELLED"),
        (409, "VOUCHER_NOT_YET_VALID"),
    ],
)
def test_refused_voucher_leaves_no_order_and_a_second_click_creates_one(shop: Shop, status: int, code: str):
    client = browser(shop)
    form = filled(client.get("/checkout"), voucher="VOUCHER")
    shop.voucher_refusal = problem(status, code)
    refused = client.post("/checkout", form)
    assert (refused.status_code, shop.orders) == (status, {})
    assert f"{code} in words" in refused.text
    assert form_key_of(refused) == form["form"]
    cookies = httpx.Cookies(client.cookies)
    for _ in range(2):
        placed = client.post("/checkout", filled(refused))
        assert placed.headers["location"] == "/orders/T100000001"
        client.cookies = httpx.Cookies(
            cookies
        )  # the second click was sent before the response to the first one arrived
    assert len(shop.orders) == 1


def test_voucher_redeemed_in_another_tab_leaves_no_order(shop: Shop):
    client = browser(shop)
    form = filled(client.get("/checkout"), voucher="VOUCHER")
    shop.redeemed_under = "another form"
    assert client.post("/checkout", form).status_code == 409
    assert shop.orders == {}


def test_redemption_has_the_order_number(shop: Shop):
    client = browser(shop)
    client.post("/checkout", filled(client.get("/checkout"), voucher="VOUCHER"))
    assert shop.redeemed_for == "T100000001"


def test_refused_order_keeps_its_voucher_for_the_next_click(shop: Shop):
    client = browser(shop)
    form = filled(client.get("/checkout"), voucher="VOUCHER", postal_code="")
    shop.failing["orders"] = problem(400, "INVALID_REQUEST")
    again = client.post("/checkout", form)
    assert (again.status_code, form_key_of(again)) == (400, form["form"])
    assert client.post("/checkout", filled(again, voucher="VOUCHER")).status_code == 303
    assert (len(shop.orders), shop.redeemed_for) == (1, "T100000001")


@pytest.mark.parametrize("response", [problem(409, "VOUCHER_REDEEMED"), problem(503, "SERVICE_UNAVAILABLE")])
def test_failed_update_of_the_redemption_does_not_fail_the_order(shop: Shop, response: httpx.Response):
    client = browser(shop)
    form = filled(client.get("/checkout"), voucher="VOUCHER")

    def api(request: httpx.Request) -> httpx.Response:
        if request.url.host == "vouchers" and shop.orders:
            return response
        return shop(request)

    client._api = api
    assert client.post("/checkout", form).headers["location"] == "/orders/T100000001"
    assert "basket" not in str(client.cookies)


def test_order_with_a_lost_response_is_found_from_a_new_page(shop: Shop):
    client = browser(shop)
    form = filled(client.get("/checkout"))

    def api(request: httpx.Request) -> httpx.Response:
        response = shop(request)
        if request.url.host == "orders":
            raise httpx.ReadTimeout("lost")
        return response

    client._api = api
    assert client.post("/checkout", form).status_code == 503
    client._api = shop
    assert client.post("/checkout", filled(client.get("/checkout"))).headers["location"] == "/orders/T100000001"
    assert len(shop.orders) == 1


def test_one_basket_version_is_one_order_in_all_tabs(shop: Shop):
    client = browser(shop)
    first, second = client.get("/checkout"), client.get("/checkout")
    cookies = httpx.Cookies(client.cookies)
    client.post("/checkout", filled(first))
    client.cookies = cookies
    refused = client.post("/checkout", filled(second, city="Bonn"))
    assert refused.status_code == 409
    assert "Nothing was ordered again" in refused.text
    assert len(shop.orders) == 1
    shop.version += 1
    assert form_key_of(client.get("/checkout")) != form_key_of(first)


def test_repeated_form_after_its_order_orders_nothing(shop: Shop):
    client = browser(shop)
    form = filled(client.get("/checkout"))
    client.post("/checkout", form)
    assert client.post("/checkout", form).headers["location"] == "/basket"
    assert client.get("/checkout").headers["location"] == "/basket"
    assert len(shop.orders) == 1


def test_changed_basket_shows_the_form_again_without_redeeming_or_ordering(shop: Shop):
    client = browser(shop)
    form = filled(client.get("/checkout"), voucher="VOUCHER")
    shop.version += 1
    page = client.post("/checkout", form)
    assert (page.status_code, shop.orders, shop.redeemed_under) == (409, {}, "")
    assert "The basket has changed" in page.text
    assert client.post("/checkout", filled(page, voucher="VOUCHER")).status_code == 303
    assert shop.redeemed_for == "T100000001"


@pytest.mark.parametrize("key", ["", "made-up"])
def test_form_without_a_valid_key_orders_nothing(shop: Shop, key: str):
    client = browser(shop)
    assert client.post("/checkout", filled(client.get("/checkout"), form=key)).status_code == 409
    assert shop.orders == {}


@pytest.mark.parametrize(
    "cookie", ["mine", "x" * 21, "x" * 65, "a basket with blanks in it", "../../../../../../orders"]
)
def test_invalid_basket_cookie_is_an_empty_basket(shop: Shop, cookie: str):
    client = browser(shop)
    client.cookies = httpx.Cookies({"__Host-basket": cookie})
    assert "Your basket is empty" in client.get("/basket").text
    assert client.get("/checkout").headers["location"] == "/basket"


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ({"reason_code": "PAYMENT_DECLINED"}, "Nothing was charged"),
        # An order that is paid but could not be processed: staff cancel it and refund the payment.
        ({"reason_code": "PROCESSING_FAILED"}, "any payment is refunded"),
        ({}, "Nothing was charged"),
    ],
)
def test_failed_order_page_says_whether_the_customer_was_charged(reason: dict[str, str], message: str):
    order = {"order_number": "T100000001", "status": "Failed"} | reason
    page = Browser(lambda request: httpx.Response(200, json=order)).get("/orders/T100000001")
    assert page.status_code == 200
    assert message in page.text

"""Checkout: the page shows the full price, and "Buy now" orders exactly what the page showed, once."""

import json
import re
from typing import Any

import httpx
import pytest
import yaml
from fakeredis import FakeServer

from app.checkout_forms import MAX_LENGTHS
from app.messages import FIELDS, MESSAGES
from model.settings import ROOT
from tests.unit.storefront_app import Browser, problem, sent
from tests.unit.storefront_shop import ADDRESS, TYPED, Shop, browser, buy, fields_of, update


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
def client(shop: Shop) -> Browser:
    return browser(shop)


def text(page: httpx.Response) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page.text.partition("<main")[2]).split())


def after_receipt(shop: Shop, call: str, outcome: Exception) -> Any:
    """An API that loses its response to a call after the call took effect."""

    def api(request: httpx.Request) -> httpx.Response:
        response = shop(request)
        if f"{request.method} {request.url.host}{request.url.path.replace('/v1', '', 1)}" == call:
            raise outcome
        return response

    return api


# --- the price before the button ---


def test_guest_sees_no_button_to_buy_before_the_full_price(client: Browser):
    page = client.get("/checkout")
    assert "20.00 EUR" in text(page)
    assert "without tax and delivery" in text(page)
    assert "Buy now" not in re.findall(r"<button[^>]*>([^<]*)", page.text)


def test_full_price_with_tax_and_delivery_is_shown_before_the_button(client: Browser):
    page = update(client, delivery="express")
    before_button = page.text.partition("Buy now</button>")[0]
    assert '<strong id="total">41.53 EUR</strong>' in before_button
    for shown in ("2 × 11.90 EUR", "23.80 EUR", "17.73 EUR", "incl. 19 % VAT: 6.63 EUR", "Price incl. VAT", "Tower"):
        assert shown in text(page), shown
    assert 'src="/pictures/SP-1.svg"' in before_button


def test_destination_without_included_tax_shows_net_prices_and_tax(client: Browser):
    page = text(update(client, country="CA"))
    for shown in ("2 × 10.00 EUR", "plus 5 % tax 1.00 EUR", "Total 21.00 EUR", "Price without tax"):
        assert shown in page, shown


def test_customer_with_a_stored_address_sees_the_price_at_once(shop: Shop):
    def api(request: httpx.Request) -> httpx.Response:
        if request.url.host == "login":
            session = {"session_token": "t", "customer_id": "C1", "roles": [], "expires_at": "2099-01-01T00:00:00Z"}
            return httpx.Response(201, json=session)
        if request.url.host == "customers":
            return httpx.Response(200, json={"addresses": [ADDRESS]})
        return shop(request)

    client = browser(shop)
    client._api = api
    client.post("/sign-in", {"email": "ada@example.com", "password": "p"})
    page = client.get("/checkout")
    assert '<strong id="total">23.80 EUR</strong>' in page.text
    assert 'name="email"' not in page.text
    assert buy(client, page).headers["location"] == "/orders/T100000001"
    ((order, _),) = shop.orders.values()
    assert order["email"] == "ada@example.com"


def test_voucher_shows_its_effect_and_the_lost_remainder_before_buying(shop: Shop, client: Browser):
    shop.vouchers = {"AAAA-1111": 500, "BBBB-2222": 9000}
    page = update(client, voucher=["AAAA-1111", "BBBB-2222"])
    assert "Voucher …1111 -5.00 EUR" in text(page)
    assert "Voucher …2222 The rest of this voucher, 71.20 EUR, is lost with this order. -18.80 EUR" in text(page)
    assert "Total 0.00 EUR" in text(page)


def test_total_shown_is_the_total_ordered(shop: Shop, client: Browser):
    shop.vouchers = {"AAAA-1111": 500}
    page = update(client, voucher=["AAAA-1111"])
    assert "Total 18.80 EUR" in text(page)
    assert buy(client, page).status_code == 303
    ((order, _),) = shop.orders.values()
    assert shop.quotations[order["quotation_id"]]["total"] == 1880
    assert not [call for call in shop.calls if "vouchers" in call], "the orders service redeems vouchers"


def test_free_order_needs_no_card(shop: Shop, client: Browser):
    shop.vouchers = {"AAAA-1111": 2380}
    page = update(client, voucher=["AAAA-1111"])
    assert "no card is needed" in page.text
    assert "Pay with" not in page.text
    assert buy(client, page).status_code == 303
    ((order, _),) = shop.orders.values()
    assert "payment_token" not in order


def test_up_to_five_vouchers_have_a_field(shop: Shop, client: Browser):
    shop.vouchers = {f"CODE-{number}": 100 for number in range(5)}
    page = client.get("/checkout")
    for number in range(5):
        codes = fields_of(page)["voucher"]
        assert codes == [*list(shop.vouchers)[:number], ""]
        page = update(client, page, voucher=[*codes[:-1], f"CODE-{number}"])
    assert fields_of(page)["voucher"] == list(shop.vouchers)


# --- one order ---


def test_order_names_the_quotation_and_what_was_typed(shop: Shop, client: Browser):
    page = update(client, **TYPED)
    assert buy(client, page).headers["location"] == "/orders/T100000001"
    ((order, _),) = shop.orders.values()
    assert order == {
        "quotation_id": "quotation-0",
        "ship_to": ADDRESS | {"region": "Mitte"},
        "payment_token": "tok_declined",
        "email": "ada@example.com",
    }
    assert client.cookies["__Host-basket"], "a failed order gives the basket back"


def test_double_click_is_one_order(shop: Shop, client: Browser):
    page = update(client)
    assert [buy(client, page).headers["location"] for _ in range(3)] == ["/orders/T100000001"] * 3
    assert len(shop.orders) == 1


def test_second_tab_leads_to_the_order_of_the_first(shop: Shop, client: Browser):
    first, second = update(client), update(client)
    buy(client, first)
    assert buy(client, second).headers["location"] == "/orders/T100000001"
    assert update_location(client, second) == "/orders/T100000001"
    assert len(shop.orders) == 1


def test_second_tab_leads_to_the_order_that_is_complete(shop: Shop, client: Browser):
    first, second = update(client), update(client)
    buy(client, first)
    shop.ordered, shop.items = "", {}
    shop.failing["POST orders/orders"] = problem(422, "BASKET_NOT_FOUND")
    assert buy(client, second).headers["location"] == "/orders/T100000001"


def test_second_tab_leads_to_the_order_before_its_processing_begins(shop: Shop, client: Browser):
    """The basket does not name its order yet, and the orders API refuses another one."""
    first, second = update(client), update(client)
    buy(client, first)
    shop.basket_is_marked = False
    assert buy(client, second).headers["location"] == "/orders/T100000001"
    assert update_location(client, second) == "/orders/T100000001"


def update_location(client: Browser, page: httpx.Response) -> str:
    client.post("/checkout", fields_of(page) | {"action": "update"})
    return client.get("/checkout").headers["location"]


def test_second_tab_with_other_details_leads_to_the_order_of_the_first(shop: Shop, client: Browser):
    page = update(client)
    buy(client, page)
    assert buy(client, page, city="Bonn").headers["location"].partition("?")[0] == "/orders/T100000001"
    shop.ordered, shop.items = "", {}  # the order is complete
    assert buy(client, page, city="Bonn").headers["location"].partition("?")[0] == "/orders/T100000001"
    assert len(shop.orders) == 1


def test_order_of_another_browser_is_not_ordered_again(shop: Shop, client: Browser):
    page = update(client)
    shop.failing["POST orders/orders"] = problem(409, "BASKET_ORDERED")
    refused = buy(client, page)
    assert refused.status_code == 409
    assert "Nothing was ordered again" in refused.text


@pytest.mark.parametrize("is_received", [False, True])
@pytest.mark.parametrize("outcome", [httpx.ReadTimeout("lost"), httpx.ConnectError("lost")])
def test_lost_connection_while_buying_is_one_order(shop: Shop, client: Browser, is_received: bool, outcome: Exception):
    page = update(client)
    if is_received:
        client._api = after_receipt(shop, "POST orders/orders", outcome)
    else:
        shop.failing["POST orders/orders"] = outcome
    lost = buy(client, page)
    client._api = shop
    assert lost.status_code == 503
    assert "at most once" in text(lost)
    assert "Total 23.80 EUR" in text(lost)
    assert fields_of(lost) == fields_of(page)
    shop.prices["SP-1"] = 9900
    again = buy(client, lost)
    if is_received:
        assert again.headers["location"] == "/orders/T100000001"
    else:
        assert "Something has changed" in again.text
    assert len(shop.orders) == int(is_received)


@pytest.mark.parametrize(
    "outcome", [httpx.ReadTimeout("lost"), problem(503, "ORDERS_UNAVAILABLE"), problem(429, "SLOW")]
)
def test_lost_connection_while_quoting_keeps_the_form(shop: Shop, client: Browser, outcome: Any):
    shop.failing["POST orders/quotations"] = outcome
    page = update(client, **TYPED)
    assert page.status_code in (429, 503)
    assert page.headers["retry-after"]
    assert fields_of(page) | TYPED == fields_of(page)
    assert "Buy now</button>" not in page.text
    assert "Total 41.53 EUR" in text(update(client, page, **TYPED))


def test_page_is_shown_while_basket_and_orders_do_not_answer(shop: Shop, client: Browser):
    client.post("/checkout", fields_of(client.get("/checkout")) | TYPED)
    client._api = lambda request: problem(503, "SERVICE_UNAVAILABLE")
    page = client.post("/checkout", TYPED | {"action": "buy", "confirmation": "", "voucher": ["A"]})
    assert page.status_code == 503
    assert fields_of(page) | TYPED | {"voucher": ["A", ""]} == fields_of(page)


def test_back_to_the_checkout_while_the_basket_is_ordered_shows_the_order(shop: Shop, client: Browser):
    buy(client, update(client))
    assert client.get("/checkout").headers["location"] == "/orders/T100000001"


def test_failed_order_gives_back_the_basket_and_what_was_typed(shop: Shop, client: Browser):
    shop.vouchers = {"AAAA-1111": 500}
    buy(client, update(client, **TYPED, voucher=["AAAA-1111"]))
    shop.ordered, shop.status = "", {"status": "Failed", "reason_code": "PAYMENT_DECLINED"}
    failed = client.get("/orders/T100000001")
    assert "Your card was declined." in failed.text
    assert "can be used again" in failed.text
    assert 'href="/basket"' in failed.text
    again = client.get("/checkout")
    assert fields_of(again) | TYPED | {"voucher": ["AAAA-1111", ""]} == fields_of(again)
    assert buy(client, update(client, again, card="tok_ok")).headers["location"] == "/orders/T100000002"


@pytest.mark.parametrize("path", ["", "/status"])
def test_guest_who_signs_in_still_sees_the_order(shop: Shop, client: Browser, path: str):
    number = buy(client, update(client)).headers["location"]
    client.post("/sign-in", {"email": "ada@example.com", "password": "p"})
    assert client.get("/basket").text.count(f'href="{number}"') == 1
    page = client.get(f"{number}{path}")
    assert (page.status_code, "T100000001" in page.text, "Processing" in page.text) == (200, True, True)


@pytest.mark.parametrize("path", ["", "/status"])
@pytest.mark.parametrize("email", ["", "ben@example.com"])
def test_another_customers_order_is_404(shop: Shop, client: Browser, path: str, email: str):
    client.post("/sign-in", {"email": "ada@example.com", "password": "p"})
    number = buy(client, update(client)).headers["location"]
    assert client.get(f"{number}{path}").status_code == 200
    other = browser(shop)
    if email:
        other.post("/sign-in", {"email": email, "password": "p"})
    page = other.get(f"{number}{path}")
    assert (page.status_code, "Processing" in page.text) == (404, False)


def test_another_card_after_a_failed_order_is_tried_with_a_new_quotation(shop: Shop, client: Browser):
    """The browser's back button shows the old form."""
    page = update(client, card="tok_declined")
    buy(client, page)
    shop.ordered, shop.status = "", {"status": "Failed", "reason_code": "PAYMENT_DECLINED"}
    again = buy(client, page, card="tok_ok")
    assert (again.status_code, len(shop.orders)) == (409, 1)
    assert "Your last order has failed, and nothing was ordered again." in text(again)
    assert fields_of(again)["card"] == "tok_ok"
    assert buy(client, again).headers["location"] == "/orders/T100000002"
    assert [order["payment_token"] for order, _ in shop.orders.values()] == ["tok_declined", "tok_ok"]


def test_another_card_before_the_failed_order_gives_back_the_basket_leads_to_the_order(shop: Shop, client: Browser):
    page = update(client, card="tok_declined")
    buy(client, page)
    shop.status = {"status": "Failed", "reason_code": "PAYMENT_DECLINED"}
    assert buy(client, page, card="tok_ok").headers["location"] == "/orders/T100000001"


@pytest.mark.parametrize("status", ["Processing", "Complete"])
def test_corrected_street_after_buying_says_that_nothing_was_ordered_again(shop: Shop, client: Browser, status: str):
    page = update(client)
    buy(client, page)
    shop.status = {"status": status}
    again = buy(client, page, street="Brick Lane 2")
    assert MESSAGES["IDEMPOTENCY_KEY_REUSED"] in text(client.get(again.headers["location"]))
    assert again.headers["location"].partition("?")[0] == "/orders/T100000001"
    assert len(shop.orders) == 1


def test_text_of_an_address_is_not_shown_on_an_order(client: Browser):
    assert "blocked" not in client.get("/orders/T100000001?message=Your+card+is+blocked").text


def test_failed_order_whose_basket_is_not_given_back_yet_says_so_and_reloads(shop: Shop, client: Browser):
    buy(client, update(client))
    shop.status = {"status": "Failed", "reason_code": "PAYMENT_DECLINED"}
    target = client.get("/checkout").headers["location"]
    held = client.get(target)
    assert "Your basket and the vouchers of this order will be available again in a moment." in text(held)
    assert "can be used again" not in held.text
    assert 'href="/basket">Back' not in held.text
    assert '<meta http-equiv="refresh"' in held.text.replace("<noscript>", "")
    assert "Order T100000001 has failed. This basket can be changed again in a moment" in text(client.get("/basket"))
    shop.ordered = ""
    settled = client.get(target)
    assert "can be used again" in settled.text
    assert "refresh" not in settled.text
    assert client.get("/checkout").status_code == 200


def test_failed_order_says_nothing_of_a_basket_that_does_not_answer(shop: Shop, client: Browser):
    shop.status = {"status": "Failed", "reason_code": "PAYMENT_DECLINED"}
    shop.failing[f"GET basket/baskets/{'b' * 32}"] = problem(503, "SERVICE_UNAVAILABLE")
    assert "in a moment" in text(client.get("/orders/T100000001"))
    shop.failing["GET orders/orders/T100000001/status"] = problem(503, "SERVICE_UNAVAILABLE")
    shop.ordered = "T100000001"
    assert "This basket is being ordered" in text(client.get("/basket"))


def test_complete_order_forgets_what_was_typed(shop: Shop, client: Browser):
    buy(client, update(client, city="Bonn"))
    shop.ordered, shop.status = "", {"status": "Complete"}
    client.get("/orders/T100000009")
    assert fields_of(client.get("/checkout"))["city"] == "Bonn"
    client.get("/orders/T100000001")
    assert fields_of(client.get("/checkout"))["city"] == ""


def test_checkout_works_without_the_session_store(shop: Shop):
    server = FakeServer()
    server.connected = False
    client = Browser(shop, server=server)
    client.cookies.set("__Host-basket", "b" * 32)
    page = client.post("/checkout", fields_of(client.get("/checkout")) | TYPED | {"action": "update"})
    assert page.status_code == 200
    assert fields_of(page) | TYPED == fields_of(page)
    assert buy(client, page).status_code == 303


# --- what was confirmed no longer holds ---


def row(page: httpx.Response, label: str) -> str:
    rows = re.findall(
        r"<tr[^>]*>(.*?)</tr>", page.text.partition('id="changes"')[2].partition("</section>")[0], re.DOTALL
    )
    texts = [" ".join(re.sub(r"<[^>]+>", " ", each).split()) for each in rows]
    return next(each for each in texts if each.startswith(label))


def test_changed_price_shows_old_and_new_side_by_side(shop: Shop, client: Browser):
    page = update(client, **TYPED)
    shop.prices["SP-1"] = 9900
    changed = buy(client, page)
    assert (changed.status_code, shop.orders) == (409, {})
    assert row(changed, "Tower") == "Tower (changed) 2 × 11.90 EUR = 23.80 EUR 2 × 117.81 EUR = 235.62 EUR"
    assert row(changed, "Delivery") == "Delivery Express, 17.73 EUR Express, 17.73 EUR"
    assert row(changed, "Tax") == "Tax (changed) 6.63 EUR (incl. 19 % VAT) 40.45 EUR (incl. 19 % VAT)"
    assert row(changed, "Total") == "Total (changed) 41.53 EUR 253.35 EUR"
    assert fields_of(changed) | TYPED == fields_of(changed)
    assert buy(client, changed).status_code == 303
    ((order, _),) = shop.orders.values()
    assert shop.quotations[order["quotation_id"]]["total"] == 25335


def test_basket_changed_in_another_tab_is_shown_before_it_is_ordered(shop: Shop, client: Browser):
    page = update(client)
    shop.items = {"SP-1": 2, "SP-2": 4}
    changed = buy(client, page)
    assert (changed.status_code, shop.orders) == (409, {})
    assert row(changed, "Bridge") == "Bridge (changed) not included 4 × 5.95 EUR = 23.80 EUR"
    shop.items = {"SP-2": 4}
    changed = buy(client, changed)
    assert row(changed, "Tower") == "Tower (changed) 2 × 11.90 EUR = 23.80 EUR not included"


def test_voucher_used_elsewhere_is_dropped_by_name_and_nothing_is_ordered(shop: Shop, client: Browser):
    shop.vouchers = {"aaaa11-11": 500, "BBBB-2222": 300}
    page = update(client, voucher=["aaaa11-11", "BBBB-2222"])
    shop.used["aaaa11-11"] = "another order"
    changed = buy(client, page)
    assert (changed.status_code, shop.orders) == (409, {})
    assert "Voucher …1111 is no longer part of the order: This voucher has already been used." in text(changed)
    assert row(changed, "Voucher …1111") == "Voucher …1111 (changed) -5.00 EUR not included"
    assert fields_of(changed)["voucher"] == ["BBBB-2222", ""]
    assert buy(client, changed).status_code == 303


def test_lines_that_cannot_be_bought_are_named_with_the_reason(shop: Shop, client: Browser):
    page = update(client)
    now = shop.quotation({"ship_to": {"country": "DE"}, "delivery_method": "economy"})
    problems = [{"sku": "SP-1", "code": "OUT_OF_STOCK", "message": "at most 1"}]
    shop.failing["POST orders/orders"] = problem(
        409, "QUOTATION_CHANGED", quotation=now | {"problems": problems, "rejected_vouchers": []}
    )
    changed = buy(client, page)
    assert "Tower: There are not enough pieces left." in text(changed)
    assert "Buy now</button>" not in changed.text
    assert 'href="/basket"' in changed.text


def test_changed_quotation_without_the_new_one_is_quoted_again(shop: Shop, client: Browser):
    page = update(client)
    shop.failing["POST orders/orders"] = problem(409, "QUOTATION_CHANGED")
    changed = buy(client, page)
    assert changed.status_code == 409
    assert "The price had to be checked again and is the same." in text(changed)
    assert 'id="changes"' not in changed.text


def test_expired_quotation_is_shown_beside_a_new_one(shop: Shop, client: Browser):
    page = update(client)
    shop.quotations.clear()
    shop.prices["SP-1"] = 1100
    expired = buy(client, page)
    assert (expired.status_code, shop.orders) == (409, {})
    assert "no longer valid" in text(expired)
    assert row(expired, "Total") == "Total (changed) 23.80 EUR 26.18 EUR"
    assert buy(client, expired).status_code == 303


@pytest.mark.parametrize(
    "change", [{"delivery": "express"}, {"country": "CA"}, {"postal_code": "80331"}, {"voucher": ["AAAA-1111"]}]
)
def test_inputs_changed_after_the_quotation_are_quoted_and_shown_first(shop: Shop, client: Browser, change: Any):
    shop.vouchers = {"AAAA-1111": 500}
    page = update(client)
    shown = buy(client, page, **change)
    assert (shown.status_code, shop.orders) == (409, {})
    assert "Nothing was ordered yet" in text(shown)
    assert buy(client, shown).status_code == 303


@pytest.mark.parametrize(
    "confirmation",
    [
        *(
            "",
            "made-up",
            "null",
            "[]",
            "{}",
            '{"quotation": {}, "inputs": ""}',
            '{"quotation": {"lines": 5}}',
            "[" * 5000,
        ),
        '{"quotation":{"quotation_id":1,"currency":"EUR","subtotal":0,"delivery_method":"economy","delivery_amount":0,'
        '"tax_total":0,"total":0,"prices_include_tax":true,"lines":[],"discounts":[],"rates":[]},"inputs":""}',
    ],
)
def test_form_without_a_confirmed_price_orders_nothing(shop: Shop, client: Browser, confirmation: str):
    page = buy(client, update(client), confirmation=confirmation)
    assert (page.status_code, shop.orders) == (409, {})
    assert "Total 23.80 EUR" in text(page)


def test_form_of_another_basket_orders_nothing_and_is_not_stored(shop: Shop, client: Browser):
    """Such as of a tab that stayed open while somebody else signed in at this browser."""
    page = update(client, **TYPED)
    client.cookies = httpx.Cookies({"__Host-basket": "c" * 32})
    for refused in (buy(client, page, name="Ada First"), update(client, page, name="Ada First")):
        assert (refused.status_code, shop.orders) == (409, {})
        assert "not for the basket that you have now. Nothing was ordered." in text(refused)
        assert fields_of(refused) | TYPED | {"name": "Ada First"} == fields_of(refused)
        assert "Ada" not in client.get("/checkout").text
    assert buy(client, refused).status_code == 303
    ((order, _),) = shop.orders.values()
    assert shop.quotations[order["quotation_id"]]["request"]["basket_id"] == "c" * 32


@pytest.mark.parametrize("basket", [None, "", "b" * 32])
def test_form_without_the_digest_of_the_basket_shows_the_price_first(shop: Shop, client: Browser, basket: str | None):
    fields = {name: value for name, value in fields_of(update(client)).items() if name != "basket"}
    page = client.post("/checkout", fields | {"action": "buy"} | ({} if basket is None else {"basket": basket}))
    assert (page.status_code, shop.orders) == (409, {})
    assert buy(client, page).status_code == 303


def test_page_does_not_contain_the_basket_id(client: Browser):
    assert "b" * 32 not in update(client).text


@pytest.mark.parametrize("leave", [("/sign-out", {}), ("/sign-in", {"email": "ben@example.com", "password": "p"})])
def test_next_person_at_the_browser_does_not_find_what_was_typed(client: Browser, leave: tuple[str, dict[str, str]]):
    client.post("/sign-in", {"email": "ada@example.com", "password": "p"})
    assert "Brick Lane" in update(client, **TYPED).text
    left = client.post(*leave)
    assert '__Host-basket=""; ' in str(left.headers.get_list("set-cookie"))
    assert "Brick Lane" not in client.get("/checkout").text


# --- forms that are none ---


def multipart(fields: dict[str, Any], charset: str) -> tuple[bytes, dict[str, str]]:
    values = [(name, each) for name, value in fields.items() for each in (value if type(value) is list else [value])]
    parts = "".join(
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in values
    )
    return f"{parts}--b--\r\n".encode(), {"Content-Type": f"multipart/form-data; boundary=b{charset}"}


@pytest.mark.parametrize("typed", [r"\ud800", r"\uD800x", "+2AA-"])
@pytest.mark.parametrize("action", ["update", "buy"])
@pytest.mark.parametrize(
    "charset",
    ["unicode_escape", "raw_unicode_escape", "utf-7", "punycode", "undefined", "idna", "rot13", "latin-1", "none"],
)
def test_form_in_another_charset_is_400_and_not_stored(
    shop: Shop, client: Browser, charset: str, action: str, typed: str
):
    page = update(client)
    body, headers = multipart(fields_of(page) | {"city": typed, "action": action}, f"; charset={charset}")
    refused = client.send("POST", "/checkout", body, headers)
    assert (refused.status_code, shop.orders) == (400, {})
    assert MESSAGES["INVALID_FORM"] in refused.text
    assert fields_of(client.get("/checkout"))["city"] == "Berlin"


@pytest.mark.parametrize("charset", ["", "; charset=utf-8", '; charset="UTF-8"'])
def test_multipart_form_in_utf_8_is_understood(client: Browser, charset: str):
    form = fields_of(client.get("/checkout")) | ADDRESS | {"city": "Zürich \\ud800", "action": "update"}
    assert client.send("POST", "/checkout", *multipart(form, charset)).status_code == 303
    assert fields_of(client.get("/checkout"))["city"] == "Zürich \\ud800"


@pytest.mark.parametrize("name", ["quotation_id", "currency", "delivery_method", "inputs", "sku", "code_suffix"])
def test_confirmation_with_a_lone_surrogate_is_none(shop: Shop, client: Browser, name: str):
    shop.vouchers = {"AAAA-1111": 500}
    page = update(client, voucher=["AAAA-1111"])
    confirmation = json.loads(fields_of(page)["confirmation"])
    quotation = confirmation["quotation"]
    match name:
        case "inputs":
            confirmation["inputs"] = "\ud800"
        case "sku":
            quotation["lines"][0][0] = "\ud800"
        case "code_suffix":
            quotation["discounts"][0]["code_suffix"] = "\ud800"
        case _:
            quotation[name] = "\ud800"
    refused = buy(client, page, confirmation=json.dumps(confirmation))
    assert (refused.status_code, shop.orders) == (409, {})
    assert "Total 18.80 EUR" in text(refused)


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/octet-stream", "x", "", None])
def test_content_that_is_no_form_is_415_and_keeps_what_was_typed(shop: Shop, client: Browser, content_type: str | None):
    update(client, **TYPED)
    headers = {} if content_type is None else {"Content-Type": content_type}
    refused = client.send("POST", "/checkout", b'{"action": "buy"}', headers)
    assert (refused.status_code, shop.orders) == (415, {})
    assert MESSAGES["UNSUPPORTED_MEDIA_TYPE"] in refused.text
    kept = fields_of(client.get("/checkout"))
    assert kept | TYPED == kept


# --- nothing typed is lost ---

REFUSALS = [
    problem(400, "INVALID_REQUEST", errors=[{"pointer": "/ship_to/postal_code", "message": "must match [0-9]{5}"}]),
    problem(400, "INVALID_BODY"),
    problem(401, "NO_SESSION"),
    problem(403, "CUSTOMER_MISMATCH"),
    problem(409, "BASKET_ORDERED"),
    problem(422, "UNSUPPORTED_DESTINATION", errors=[{"pointer": "/ship_to/country", "message": "ISO 3166-1"}]),
    problem(422, "DELIVERY_UNAVAILABLE", errors=[{"pointer": "/delivery_method", "message": ""}]),
    problem(422, "OUT_OF_STOCK", errors=[{"pointer": "/lines/SP-1", "message": "Only 1 is left"}]),
    problem(422, "TOTAL_LIMIT"),
    problem(429, "THROTTLED"),
    problem(500, "INTERNAL_ERROR"),
    problem(503, "ORDERS_UNAVAILABLE"),
]


@pytest.mark.parametrize("call", ["POST orders/quotations", "POST orders/orders"])
@pytest.mark.parametrize("refusal", REFUSALS, ids=[f"{each.status_code} {each.json()['code']}" for each in REFUSALS])
def test_nothing_typed_is_lost_on_any_error(shop: Shop, client: Browser, call: str, refusal: httpx.Response):
    shop.vouchers = {"AAAA-1111": 500}
    page = update(client, **TYPED, voucher=["AAAA-1111"])
    shop.failing[call] = refusal
    failed = buy(client, page) if call == "POST orders/orders" else update(client, page, **TYPED)
    assert failed.status_code == (503 if refusal.status_code >= 500 else refusal.status_code)
    assert fields_of(failed) | TYPED | {"voucher": ["AAAA-1111", ""]} == fields_of(failed)
    assert not re.search(r"[A-Z]+_[A-Z]+|\[|ISO", text(failed)), "codes and patterns are not for visitors"
    assert update(client, failed, **TYPED).status_code == 200


def test_refused_field_has_a_sentence(shop: Shop, client: Browser):
    shop.failing["POST orders/quotations"] = REFUSALS[0]
    page = update(client, **TYPED)
    assert 'aria-invalid="true" aria-describedby="postal_code-error"' in page.text
    assert "Enter the postal code as it is written in this country." in page.text


@pytest.mark.parametrize(
    "code",
    [
        *("VOUCHER_NOT_FOUND", "VOUCHER_REDEEMED", "VOUCHER_RESERVED", "VOUCHER_EXPIRED", "VOUCHER_NOT_YET_VALID"),
        *("VOUCHER_CANCELLED", "VOUCHER_CURRENCY", "VOUCHER_REPEATED", "VOUCHER_EXCEEDS_TOTAL"),
    ],
)
def test_unusable_voucher_is_named_at_its_field_and_nothing_can_be_ordered(shop: Shop, client: Browser, code: str):
    shop.failing["POST orders/quotations"] = problem(
        422, code, errors=[{"pointer": "/voucher_codes/1", "message": "x"}]
    )
    page = update(client, voucher=["GOOD", "BAD"])
    assert page.status_code == 422
    assert f'<p class="error" id="voucher-1-error">{MESSAGES[code]}</p>' in page.text
    assert fields_of(page)["voucher"] == ["GOOD", "BAD", ""]
    assert "Buy now</button>" not in page.text
    assert shop.orders == {}


def test_expired_quotation_of_the_same_price_says_so(shop: Shop, client: Browser):
    page = update(client)
    shop.quotations.clear()
    expired = buy(client, page)
    assert (expired.status_code, shop.orders) == (409, {})
    assert "The price had to be checked again and is the same. Nothing was ordered yet" in text(expired)
    assert 'id="changes"' not in expired.text
    assert buy(client, expired).status_code == 303


def test_full_basket_of_the_longest_skus_and_largest_amounts_can_be_bought(
    shop: Shop, client: Browser, monkeypatch: pytest.MonkeyPatch
):
    skus = [f"S{':' * 125}{number:02}" for number in range(99)]
    monkeypatch.setattr("tests.unit.storefront_shop.NAMES", dict.fromkeys(skus, "Name " * 20))
    shop.items, shop.prices = dict.fromkeys(skus, 99), dict.fromkeys(skus, 80_000_000)
    page = update(client, **TYPED)
    assert buy(client, page).headers["location"] == "/orders/T100000001"


@pytest.mark.parametrize("typed", ["é" * 3000, "x" * 17_000, "x" * 201])
@pytest.mark.parametrize("action", [update, buy])
def test_too_long_text_is_marked_and_everything_typed_is_kept(shop: Shop, client: Browser, action: Any, typed: str):
    shown = action(client, update(client, **TYPED), **TYPED | {"street": typed})
    assert shop.orders == {}
    assert "on one line of at most 200 characters." in shown.text.partition('id="street-error"')[2][:100]
    assert fields_of(shown) | TYPED | {"street": typed} == fields_of(shown)


def test_delivery_method_that_is_unavailable_says_so_at_the_field(shop: Shop, client: Browser):
    errors = [{"pointer": "/delivery_method", "message": "is not available in HUF"}]
    shop.failing["POST orders/quotations"] = problem(422, "DELIVERY_UNAVAILABLE", errors=errors)
    page = update(client, **TYPED)
    assert f'id="delivery-error">{MESSAGES["DELIVERY_UNAVAILABLE"]}</p>' in page.text


def test_lengths_are_those_of_the_orders_api():
    address = yaml.safe_load((ROOT / "schemas/api/orders.yaml").read_text())["components"]["schemas"]["PostalAddress"]
    for name, longest in MAX_LENGTHS.items():
        schema = address["properties"][name]
        if name == "postal_code":
            assert re.fullmatch(schema["pattern"], "1" * longest)
            assert not re.fullmatch(schema["pattern"], "1" * (longest + 1))
        else:
            assert schema["maxLength"] == longest
            assert f"at most {longest} characters" in FIELDS[name][1]


@pytest.mark.parametrize("field", ["name", "street", "city"])
@pytest.mark.parametrize("typed", ["", "  "])
def test_incomplete_address_is_not_ordered(shop: Shop, client: Browser, field: str, typed: str):
    page = buy(client, update(client), **{field: typed})
    assert (page.status_code, shop.orders) == (400, {})
    assert f'id="{field}-error"' in page.text
    assert "Total 23.80 EUR" in text(page)


def test_country_in_lower_case_is_understood(shop: Shop, client: Browser):
    assert "Total 23.80 EUR" in text(update(client, country="de"))


def test_ended_session_continues_as_a_guest_with_what_was_typed(shop: Shop, client: Browser):
    page = update(client)
    shop.failing["POST orders/orders"] = problem(401, "SESSION_INVALID")
    ended = buy(client, page, email="")
    assert ended.status_code == 401
    assert "continue as a guest" in text(ended)
    assert 'name="email"' in ended.text
    assert buy(client, ended, email="ada@example.com").status_code == 303


# --- the basket ---


@pytest.mark.parametrize(
    "cookie", ["mine", "x" * 21, "x" * 65, "a basket with blanks in it", "../../../../../../orders"]
)
def test_invalid_basket_cookie_is_an_empty_basket(shop: Shop, client: Browser, cookie: str):
    client.cookies = httpx.Cookies({"__Host-basket": cookie})
    assert "Your basket is empty" in client.get("/basket").text
    assert client.get("/checkout").headers["location"] == "/basket"
    assert client.post("/checkout", TYPED).headers["location"] == "/basket"


@pytest.mark.parametrize("refusal", [problem(404, "BASKET_NOT_FOUND"), problem(422, "EMPTY_BASKET")])
@pytest.mark.parametrize("call", ["POST orders/quotations", "POST orders/orders"])
def test_checkout_of_an_empty_basket_leads_to_the_basket(
    shop: Shop, client: Browser, call: str, refusal: httpx.Response
):
    page = update(client)
    shop.failing[call] = refusal
    response = buy(client, page) if call == "POST orders/orders" else buy(client, page, delivery="standard")
    assert response.headers["location"] == "/basket"


def test_basket_of_an_order_in_progress_links_to_the_order_and_cannot_be_changed(shop: Shop, client: Browser):
    buy(client, update(client))
    page = client.get("/basket")
    assert 'href="/orders/T100000001"' in page.text
    assert 'action="/basket' not in page.text
    assert 'href="/checkout"' not in page.text
    for path, refused in (("/basket/items/SP-1", "/basket"), ("/basket", "/products/SP-1")):
        response = client.post(path, {"sku": "SP-1", "quantity": "3", "form": "f"})
        assert response.headers["location"] == f"{refused}?message=BASKET_ORDERED"
    assert MESSAGES["BASKET_ORDERED"] in client.get("/basket?message=BASKET_ORDERED").text


def test_change_of_the_basket_renews_its_cookie(shop: Shop, client: Browser):
    """The API keeps a basket for as long from each change."""
    for quantity in ("3", "0"):
        cookie = client.post("/basket/items/SP-1", {"quantity": quantity}).headers["set-cookie"]
        assert cookie.startswith(f"__Host-basket={'b' * 32}; ")
        assert "Max-Age=2592000" in cookie


def test_repeated_form_adds_with_the_same_key(shop: Shop, client: Browser):
    keys = []

    def api(request: httpx.Request) -> httpx.Response:
        keys.append((request.headers["idempotency-key"], sent(request)))
        return httpx.Response(201, json={})

    client._api = api
    for _ in range(2):
        client.post("/basket", {"sku": "SP-1", "quantity": "1", "form": "f"})
    assert keys == [("f", {"sku": "SP-1", "quantity": 1})] * 2

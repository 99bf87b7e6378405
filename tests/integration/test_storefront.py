"""The shop's pages as a browser gets them: through the CDN and the load balancer, forms and cookies included."""

import html
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import hishel
import httpx
import pytest
from hishel.httpx import CacheClient

from local.cloud.processes import STOREFRONT
from local.cloud.start import session as cloud_session
from local.ports import answering
from local.settings import AWS_ENDPOINT, HOST
from local.storefront import container
from model.settings import ROOT
from tests.integration.browsers import browser, page_text, sign_in
from tools.accounts import newest_token
from tools.client import Shop, eventually, fetch, unique

pytestmark = pytest.mark.local_only("it needs the image of the storefront, which no pipeline builds")

ADDRESS = {"name": "Ada Sample", "street": "Brick Lane 1", "postal_code": "10115", "city": "Berlin", "country": "DE"}
CHECKOUT = ADDRESS | {"email": "ada@example.com", "delivery": "economy", "card": "tok_ok"}


@pytest.fixture
def guest(shop: Shop) -> Iterator[httpx.Client]:
    with browser(shop.url("")) as client:
        yield client


def form_key(response: httpx.Response) -> str:
    match = re.search(r'name="form" value="([^"]+)"', response.text)
    assert match, page_text(response)
    return match[1]


def fill_basket(client: httpx.Client, sku: str, quantity: int = 1) -> httpx.Response:
    page = client.get(f"/products/{sku}")
    return client.post("/basket", data={"sku": sku, "quantity": str(quantity), "form": form_key(page)})


def hidden_fields(page: httpx.Response) -> dict[str, str]:
    """The basket and the price that a page of the checkout shows, as its form sends them back."""
    fields = dict(re.findall(r'name="(basket|confirmation)" value="([^"]*)"', page.text))
    assert fields, page_text(page)
    return {name: html.unescape(value) for name, value in fields.items()}


def summary(client: httpx.Client, **fields: str) -> httpx.Response:
    """The checkout with the full price."""
    page = client.get("/checkout")
    return client.post("/checkout", data=CHECKOUT | hidden_fields(page) | fields | {"action": "update"})


def confirm(client: httpx.Client, page: httpx.Response, **fields: str) -> httpx.Response:
    """Press "Buy now" on a page of the checkout."""
    data = CHECKOUT | hidden_fields(page) | {"action": "buy"} | fields
    return client.post("/checkout", data=data)


def buy(client: httpx.Client, **fields: str) -> httpx.Response:
    return confirm(client, summary(client, **fields), **fields)


def orders_of(client: httpx.Client) -> set[str]:
    """The paths of a customer's latest orders."""
    return set(re.findall(r'href="(/orders/T[0-9]+)"', client.get("/account").text))


def outcome(client: httpx.Client, page: httpx.Response) -> dict[str, str]:
    """The order of a page, once its status is final: then the shop no longer advises when to ask again."""

    def final() -> dict[str, str] | None:
        response = client.get(f"{page.url.path}/status")
        return None if "retry-after" in response.headers else response.json()

    return eventually(final, every=0.5)


def test_a_guest_buys_something(guest: httpx.Client, products: list[dict]):
    sku = products[0]["sku"]
    assert products[0]["name"] in page_text(guest.get("/products", params={"query": products[0]["name"]}))
    assert guest.get(f"/pictures/{sku}.svg").headers["content-type"].startswith("image/svg+xml")
    assert fill_basket(guest, sku, 2).url.path == "/basket"
    page = buy(guest)
    assert page.url.path.startswith("/orders/")
    assert outcome(guest, page)["status"] == "Complete"
    assert "Complete" in page_text(guest.get(page.url.path))
    eventually(lambda: guest.get("/checkout").url.path == "/basket")
    assert "Your basket is empty" in page_text(guest.get("/basket"))


def test_the_price_shown_is_the_price_charged(guest: httpx.Client, shop: Shop, products: list[dict]):
    fill_basket(guest, products[0]["sku"], 2)
    page = summary(guest, delivery="express")
    (shown,) = re.findall(r'id="total">([0-9,]+)\.([0-9]{2}) ', page.text)
    order = confirm(guest, page, delivery="express")
    assert outcome(guest, order)["status"] == "Complete"
    number = order.url.path.rpartition("/")[2]
    totals = shop.call("GET", f"/partners/v1/commerce/orders/{number}", sign=True).json()["totals"]
    assert totals["amount"] == int("".join(shown).replace(",", "")), totals


def test_a_declined_card_fails_the_order_with_its_reason(guest: httpx.Client, products: list[dict]):
    fill_basket(guest, products[0]["sku"])
    page = buy(guest, card="tok_declined")
    assert outcome(guest, page)["status"] == "Failed"
    failed = page_text(guest.get(page.url.path))
    assert "Your card was declined." in failed
    assert "Nothing was charged" in failed
    again = eventually(lambda: (page := guest.get("/checkout")).url.path == "/checkout" and page)
    assert 'value="ada@example.com"' in again.text, "the basket and what was typed are back"
    assert outcome(guest, buy(guest))["status"] == "Complete"


def test_a_form_sent_twice_is_one_line_and_one_order(guest: httpx.Client, shop: Shop, products: list[dict]):
    sku = products[0]["sku"]
    line = {"sku": sku, "quantity": "1", "form": form_key(guest.get(f"/products/{sku}"))}
    for _ in range(2):
        guest.post("/basket", data=line)
    assert 'value="1"' in guest.get("/basket").text
    page, other_tab = summary(guest), summary(guest)
    with shop.faults("payments", error_rate=1):
        first = confirm(guest, page)
        assert first.url.path.startswith("/orders/")
        assert confirm(guest, page).url.path == first.url.path
        assert confirm(guest, other_tab).url.path == first.url.path
    assert outcome(guest, first)["status"] == "Complete"
    assert confirm(guest, page).url.path == first.url.path


def test_a_basket_that_changes_after_the_price_was_shown_is_confirmed_again(guest: httpx.Client, products: list[dict]):
    first, second = products[:2]
    fill_basket(guest, first["sku"])
    page = summary(guest)
    fill_basket(guest, second["sku"], 2)
    changed = confirm(guest, page)
    assert (changed.status_code, changed.url.path) == (409, "/checkout")
    assert f"{second['name']} (changed) not included 2 ×" in page_text(changed)
    assert outcome(guest, confirm(guest, changed))["status"] == "Complete"


@pytest.mark.local_only("only the local cloud keeps the mails that it sends")
def test_the_mailed_link_leads_to_an_account(guest: httpx.Client, shop: Shop):
    email, password = f"{unique('mail')}@example.com", unique("password")
    response = guest.post("/sign-up", data={"name": "Ada", "email": email, "key": unique("key")})
    assert response.status_code == 202, response.text
    assert email in response.text
    confirmed = guest.post("/sign-up/confirm", data={"token": newest_token(shop, email), "password": password})
    assert (confirmed.status_code, confirmed.url.path) == (200, "/account")
    assert "Ada" in confirmed.text


def test_a_sign_in_returns_to_the_previous_page_and_shows_the_account(
    guest: httpx.Client, shop: Shop, products: list[dict]
):
    fill_basket(guest, products[0]["sku"])
    assert sign_in(guest, shop, "customer", "/checkout").url.path == "/checkout"
    page = buy(guest)
    number = page.url.path.rpartition("/")[2]
    account = guest.get("/account")
    assert number in account.text
    assert "points" in page_text(account)
    assert guest.post("/sign-out").url.path == "/"
    assert guest.get("/account").url.path == "/sign-in"


def test_a_wrong_password_and_a_foreign_target_lead_nowhere(guest: httpx.Client, shop: Shop):
    wrong = guest.post("/sign-in", data={"email": shop.samples["customer"]["email"], "password": "no", "next": "/"})
    assert wrong.status_code == 401
    assert sign_in(guest, shop, "customer", "https://evil.example/").url.host == guest.base_url.host


def test_forms_of_other_sites_are_refused(guest: httpx.Client):
    response = guest.post("/sign-out", headers={"Sec-Fetch-Site": "cross-site"})
    assert response.status_code == 403


@pytest.mark.parametrize(
    ("origin", "is_refused"),
    [
        ("{front_door}", False),
        ("https://{cdn}", True),
        ("http://{cdn}", True),
        ("https://evil.example", True),
        ("null", True),
        ("http://[", True),
    ],
)
def test_a_form_of_a_browser_without_fetch_metadata_has_the_origin_of_the_shop(
    shop: Shop, origin: str, is_refused: bool
):
    origin = origin.format(front_door=shop.front_door, cdn=shop.address("edge", "site-host"))
    response = httpx.post(shop.url("/sign-out"), headers={"Origin": origin})
    assert response.status_code == (403 if is_refused else 303)


def test_a_form_with_the_origin_of_the_shop_alone_is_accepted(shop: Shop, guest: httpx.Client):
    """Safari before 16.4 sends no ``Sec-Fetch-Site``."""
    form = {"email": "nobody@example.com", "password": "wrong"}
    for origin, status in ((shop.url("/").rstrip("/"), 401), ("https://evil.example", 403)):
        response = httpx.post(shop.url("/sign-in"), data=form, headers={"Origin": origin}, timeout=60)
        assert response.status_code == status, origin


@pytest.mark.parametrize("path", ["/products/", "/basket/", "/sign-in/", "/products/SP-10001/"])
def test_a_trailing_slash_of_a_page_stays_on_the_site(guest: httpx.Client, path: str):
    response = guest.get(path, follow_redirects=False)
    assert (response.status_code, response.headers["location"]) == (308, path.rstrip("/"))
    assert response.headers["cache-control"] == "no-store"


def test_a_form_with_a_trailing_slash_is_not_sent_on(guest: httpx.Client):
    response = guest.post("/sign-in/", data={"email": "a@example.com", "password": "p"}, follow_redirects=False)
    assert (response.status_code, response.headers.get("location")) == (404, None)


def test_pages_are_not_cached_and_load_nothing_from_other_sites(guest: httpx.Client):
    page = guest.get("/")
    assert page.headers["cache-control"] == "private, no-store"
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert not re.findall(r"""(?:src|href|action)=["'](?:https?:)?//""", page.text)


def test_a_cache_between_keeps_pictures_and_no_page(shop: Shop, products: list[dict], tmp_path: Path):
    """RFC 9111, as a cache for many."""
    sku = products[0]["sku"]
    storage = hishel.SqliteStorage(database_path=tmp_path / "cache.db")
    with CacheClient(storage=storage, rfc=hishel.CacheOptions(shared=True)) as cache:

        def served_from_cache(path: str) -> bool:
            responses = [cache.get(shop.url(path)) for _ in range(2)]
            assert [response.status_code for response in responses] == [200, 200]
            return bool(responses[1].extensions["caching"]["from_cache"])

        assert [served_from_cache(path) for path in ("/", "/products", f"/products/{sku}", "/basket", "/sign-in")] == [
            False
        ] * 5
        assert served_from_cache(f"/pictures/{sku}.svg")


def test_an_unknown_page_is_404_and_invalid_input_is_refused(guest: httpx.Client):
    assert guest.get(f"/products/{unique('NO')}").status_code == 404
    assert guest.get("/orders/garbage").status_code in (400, 404)
    assert guest.get("/products/%00%ff").status_code in (400, 404)


@pytest.mark.parametrize("path", ["/admin", "/admin/vouchers", "/admin/feeds/product/none", "/admin/architecture"])
def test_only_the_shops_own_people_see_the_administration(shop: Shop, guest: httpx.Client, path: str):
    assert guest.get(path).status_code == 404
    sign_in(guest, shop, "customer")
    assert guest.get(path).status_code == 404


def test_an_admin_makes_a_batch_and_a_voucher_of_it_is_redeemed(shop: Shop, guest: httpx.Client, products: list[dict]):
    sign_in(guest, shop, "admin")
    page = guest.get("/admin/vouchers")
    fields = dict(re.findall(r'name="(\w+)"[^>]*? value="([^"]*)"', page.text))
    batch = guest.post("/admin/vouchers", data=fields | {"campaign": unique("Pages"), "count": "3"})
    assert batch.url.path.startswith("/admin/vouchers/"), page_text(batch)
    eventually(lambda: guest.get(f"{batch.url.path}/status").json()["ended"])
    link = re.search(r'href="([^"]+)" download', guest.get(batch.url.path).text)
    assert link
    lines = fetch(link[1].replace("&amp;", "&")).text.split()
    code = next(line for line in lines if re.search(r"\d", line)).split(",")[0]
    with browser(shop.url("")) as customer:
        sign_in(customer, shop, "customer")
        fill_basket(customer, products[0]["sku"])
        quoted = summary(customer, voucher=code)
        assert f"Voucher …{code.replace('-', '')[-4:]}" in page_text(quoted)
        page = confirm(customer, quoted, voucher=code)
        assert page.url.path.startswith("/orders/"), page_text(page)
        assert outcome(customer, page)["status"] == "Complete"
        ordered = orders_of(customer)
        fill_basket(customer, products[0]["sku"])
        used = summary(customer, voucher=code)
        assert used.status_code == 422, page_text(used)
        assert 'id="voucher-0-error"' in used.text
        assert "Buy now</button>" not in used.text
        assert orders_of(customer) == ordered, "a voucher that is refused leaves no order"
        without = buy(customer)
        assert orders_of(customer) == ordered | {without.url.path}


@contextmanager
def another_process(sessions_url: str = "") -> Iterator[str]:
    """The address of one more process of the storefront, not behind the load balancer; by default with the shop's store."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    variables = container.environment(cloud_session(), AWS_ENDPOINT)
    variables["SESSIONS_URL"] = sessions_url or variables["SESSIONS_URL"]
    command = [sys.executable, "-m", "uvicorn", *STOREFRONT.arguments[:3], str(ROOT / "storefront")]
    with subprocess.Popen(
        [*command, "--host", HOST, "--port", str(port)], env={"PATH": os.environ["PATH"]} | variables
    ) as process:
        address = f"http://{HOST}:{port}"
        try:
            eventually(lambda: answering(f"{address}/healthz"))
            yield address
        finally:
            process.terminate()


def test_two_processes_share_sessions(shop: Shop, guest: httpx.Client):
    sign_in(guest, shop, "customer")
    with another_process() as address, browser(address) as other:
        other.cookies.set("session", guest.cookies["session"])
        assert other.get("/account").url.path == "/account"
        other.post("/sign-out")
        assert guest.get("/account").url.path == "/sign-in"


def test_without_the_session_store_every_visitor_is_a_guest(shop: Shop, products: list[dict]):
    with socket.socket() as closed_socket:
        closed_socket.bind((HOST, 0))  # and does not listen
        away = f"redis://{HOST}:{closed_socket.getsockname()[1]}/0"
        with another_process(away) as address, browser(address) as client:
            client.cookies.set("session", "anything")
            assert client.get("/").status_code == 200
            assert client.get("/account").url.path == "/sign-in"
            response = sign_in(client, shop, "customer")
            assert response.status_code == 503
            assert "continue as a guest" in page_text(response)
            fill_basket(client, products[0]["sku"])
            assert buy(client).url.path.startswith("/orders/")


@pytest.mark.parametrize(("megabytes", "status"), [(20, 200), (21, 413)])
def test_a_feed_of_twenty_megabytes_goes_through_the_page(guest: httpx.Client, shop: Shop, megabytes: int, status: int):
    """CDN, web ACL and load balancer let it through; the limit that counts is the page's own."""
    sign_in(guest, shop, "admin")
    line = b'{"sku": "none"}\n'
    content = line * (megabytes * 1024**2 // len(line))
    response = guest.post("/admin/feeds", data={"type": "sku"}, files={"file": ("feed.ndjson", content)}, timeout=60)
    assert response.status_code == status, page_text(response)

"""The requests of ``bench.aws_calls``, with the minimum of their AWS calls."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import httpx

from tools import feeds, sitemaps
from tools.client import Shop, eventually, new_basket_id, unique
from tools.drivers.products import sell
from tools.drivers.vouchers import batch_request, create_batch, download_file, wait_for_batch

REPEATS = 10
# For requests that start a workflow.
FEW = 3
ADDRESS = {"name": "Ada Sample", "street": "Brick Lane 1", "city": "Berlin", "postal_code": "10115", "country": "DE"}
GUEST, ADMIN, CUSTOMER = "login/AuthorizeGuest", "login/AuthorizeAdmin", "customers/AuthorizeCustomer"
BASKET, NUMBER = "basket/ShowBasket", "sequences/Api"


@dataclass(frozen=True)
class Case:
    """``roles`` (service/logical id) answer the request; ``least`` is the minimum number of their calls, by purpose."""

    name: str
    roles: tuple[str, ...]
    least: dict[str, int]
    request: Callable[[], Any]
    repeats: int = REPEATS


def cases(shop: Shop) -> Iterator[Case]:
    sku, other = (sell(shop, "BENCH")["sku"] for _ in "ab")
    call = shop.call
    yield Case("GET products", ("catalog/ListProducts",), {}, lambda: call("GET", "/catalog/v1/products?query=sp-"))
    yield Case("GET product", ("catalog/ShowProduct",), {}, lambda: call("GET", f"/catalog/v1/products/{sku}"))

    basket = new_basket_id("bench")
    items = f"/basket/v1/baskets/{basket}/items"
    one = {"sku": sku, "quantity": 1}
    for line in (one, {"sku": other, "quantity": 1}):
        call("POST", items, json=line).raise_for_status()
    change, remove = {"the stored basket": 1, "the changed basket": 1}, {"the line, if it exists": 1}
    quantities = itertools.cycle((1, 2))
    yield Case(
        "POST basket item",
        ("basket/AddItem",),
        change,
        lambda: call("POST", f"/basket/v1/baskets/{new_basket_id('bench')}/items", json=one),
    )
    yield Case(
        "GET basket", ("basket/ShowBasket",), {"the basket": 1}, lambda: call("GET", f"/basket/v1/baskets/{basket}")
    )
    yield Case(
        "PATCH basket item",
        ("basket/ChangeItem",),
        change,
        lambda: call("PATCH", f"{items}/{sku}", json={"quantity": next(quantities)}),
    )
    filled = iter([_basket(shop, one) for _ in range(REPEATS + 2)])
    yield Case(
        "DELETE basket item",
        ("basket/RemoveItem",),
        remove,
        lambda: call("DELETE", f"/basket/v1/baskets/{next(filled)}/items/{sku}"),
    )

    for name, what, body in (
        ("next", "order", None),
        ("lease", "order", {"count": 10}),
        ("lease", "voucher", {"count": 1}),
    ):
        path = f"/sequences/v1/sequences/{what}/{name}"
        yield Case(
            f"POST sequence {what} {name}",
            (NUMBER,),
            {"the counter": 1},
            partial(call, "POST", path, json=body, sign=True),
        )

    person = shop.samples["customer"]
    credentials = {name: person[name] for name in ("email", "password")}

    def sign_in() -> httpx.Response:
        return call("POST", "/login/v1/sessions", json=credentials)

    begun = {"the attempt": 2, "the generation": 1, "the session": 1, "its event": 1}
    yield Case("POST session", ("login/CreateSession",), begun, sign_in)
    sessions = iter([_bearer(sign_in()) for _ in range(REPEATS + 2)])
    yield Case(
        "DELETE session",
        ("login/EndSession",),
        {"the session": 2, "the generation": 1},
        lambda: call("DELETE", "/login/v1/sessions/current", headers=next(sessions)),
    )

    session, number = _bearer(sign_in()), person["customer_id"]
    customer = f"/customers/v1/customers/{number}"
    yield Case(
        "POST customer",
        ("customers/RequestSignUp",),
        {"the address's mails": 1, "the sign-up": 2, "the mail": 1},
        lambda: call(
            "POST", "/customers/v1/customers", json={"email": f"{unique('bench')}@example.com", "name": "Ada Sample"}
        ),
        FEW,
    )
    for name, path, function in (
        ("profile", f"{customer}/profile", "ShowProfile"),
        ("rewards", f"{customer}/rewards", "ShowRewards"),
    ):
        yield Case(
            f"GET {name} (authorisation cached)",
            (f"customers/{function}", CUSTOMER),
            {},
            partial(call, "GET", path, headers=session),
        )
    stale = session | {"If-Match": '"0"'}
    yield Case(
        "PATCH profile (authorisation not cached, 412)",
        ("customers/UpdateProfile", CUSTOMER),
        {"the session": 1, "the generation": 1},
        lambda: call("PATCH", f"{customer}/profile", json={}, headers=stale),
    )

    baskets = iter([_basket(shop, one) for _ in range(3 * (REPEATS + 2) + 1)])
    to_berlin = {name: ADDRESS[name] for name in ("country", "postal_code")}

    def quote(basket: str) -> httpx.Response:
        return call("POST", "/orders/v1/quotations", json={"basket_id": basket, "ship_to": to_berlin})

    def order_basket(**headers: str) -> httpx.Response:
        body = {"basket_id": next(baskets), "customer_id": "guest", "payment_token": "tok_ok", "ship_to": ADDRESS}
        return call("POST", "/orders/v1/orders", json=body, headers=headers)

    def order_quotation() -> httpx.Response:
        quotation = {"quotation_id": next(quotation_ids), "email": "ada.sample@example.com"}
        body = quotation | {"payment_token": "tok_ok", "ship_to": ADDRESS}
        return call("POST", "/orders/v1/orders", json=body, headers={"Idempotency-Key": unique("bench")})

    yield Case(
        "POST quotation",
        ("orders/CreateQuotation", GUEST, BASKET),
        {"the basket": 1, "its order": 1, "the quotation": 1},
        lambda: quote(basket),
    )
    yield Case(
        "POST order of a basket",
        ("orders/SubmitOrder", GUEST, BASKET, NUMBER),
        {"the basket": 1, "number": 1, "the order": 1, "its queue": 1},
        order_basket,
    )
    yield Case(
        "POST order of a basket with a key",
        ("orders/SubmitOrder", GUEST, BASKET, NUMBER),
        {"the key": 1, "the basket": 1, "number": 1, "order and key": 1, "its queue": 1},
        lambda: order_basket(**{"Idempotency-Key": unique("bench")}),
    )
    quotation_ids = iter([quote(next(baskets)).json()["quotation_id"] for _ in range(REPEATS + 2)])
    yield Case(
        "POST order of a quotation with a key",
        ("orders/SubmitOrder", GUEST, BASKET, NUMBER),
        {"the key": 1, "the quotation": 1, "the basket": 1, "number": 1, "order and key": 1, "its queue": 1},
        order_quotation,
    )
    placed = order_basket().json()["order_number"]
    status = f"/orders/v1/orders/{placed}/status"
    # While an order is processed, other services read it through the same API; so wait until it is complete.
    _complete(shop, status)
    yield Case("GET order status", ("orders/Api", GUEST), {"the order": 1}, lambda: call("GET", status))
    yield Case(
        "GET orders (in a session)",
        ("orders/Api", GUEST),
        {"the session": 1, "the generation": 1, "a page": 1},
        lambda: call("GET", "/orders/v1/orders", headers=session),
    )
    yield Case(
        "GET order (signed)",
        ("orders/Api",),
        {"the order": 1},
        lambda: call("GET", f"/orders/v1/internal/orders/{placed}", sign=True),
    )
    line = {"sku": sku, "quantity": 1, "unit_price": 1999}
    tax_request = {
        "order_number": placed,
        "currency": "EUR",
        "lines": [line],
        "ship_to": {"country": "DE", "postal_code": "50667"},
    }
    yield Case(
        "POST tax quotation",
        ("tax/QuoteTax",),
        {},
        lambda: call("POST", "/tax/v1/quotations", json=tax_request, sign=True),
    )

    key = {"x-api-key": shop.samples["ingest_api_key"]}
    yield Case(
        "POST event",
        ("ingestion/Api",),
        {"the stream": 1},
        lambda: call("POST", "/ingestion/v1/events", json=_event(), headers=key),
    )
    yield Case(
        "POST 20 events",
        ("ingestion/Api",),
        {"the stream": 1},
        lambda: call("POST", "/ingestion/v1/events/batch", json={"events": [_event() for _ in range(20)]}, headers=key),
    )

    admin = feeds.admin_session(shop)
    yield from _of_admins(shop, admin, number, placed)


def _of_admins(shop: Shop, admin: dict[str, str], customer: str, order: str) -> Iterator[Case]:
    call = shop.call
    authorization_calls = {"the session": 1, "the generation": 1}
    yield Case(
        "POST feed",
        ("feeds/RequestUpload", ADMIN),
        authorization_calls | {"the manifest": 1},
        lambda: call("POST", "/feeds/v1/feeds/product", headers=admin),
    )
    feed = call("POST", "/feeds/v1/feeds/product", headers=admin).json()["feed_id"]
    yield Case(
        "GET feed",
        ("feeds/ShowFeed", ADMIN),
        authorization_calls | {"the manifest": 1},
        lambda: call("GET", f"/feeds/v1/feeds/product/{feed}", headers=admin),
    )
    migration = f"/customer-migration/v1/migrations/{customer}"
    yield Case(
        "POST migration",
        ("customer-migration/RunMigration", ADMIN),
        authorization_calls | {"its status": 1, "its queue": 1},
        lambda: call("POST", migration, headers=admin),
        FEW,
    )
    yield Case(
        "GET migration",
        ("customer-migration/ShowMigration", ADMIN),
        authorization_calls | {"its status": 1},
        lambda: call("GET", migration, headers=admin),
    )
    yield Case(
        "POST sitemap run",
        ("sitemaps/StartRun", ADMIN),
        authorization_calls | {"the run": 1, "its workflow": 1},
        lambda: call("POST", "/sitemaps/v1/sitemaps/runs", json={"dry_run": True}, headers=admin),
        FEW,
    )
    run_path = sitemaps.start(shop, admin, dry_run=True)
    sitemaps.wait_for_run(shop, admin, run_path)
    yield Case(
        "GET sitemap run (ended)",
        ("sitemaps/ShowRun", ADMIN),
        authorization_calls | {"the run": 1},
        lambda: call("GET", run_path, headers=admin),
    )
    yield Case(
        "POST voucher batch",
        ("vouchers/CreateBatch", ADMIN),
        authorization_calls | {"the batch": 1, "its workflow": 1},
        lambda: call("POST", "/vouchers/v1/voucher-batches", json=batch_request(count=1), headers=admin),
        FEW,
    )
    path = create_batch(shop, admin, count=REPEATS + 4)
    batch = wait_for_batch(shop, admin, path)
    codes = iter(download_file(batch).decode().split())
    code = next(codes)
    yield Case(
        "GET voucher batch",
        ("vouchers/ShowBatch", ADMIN),
        authorization_calls | {"the batch": 1},
        lambda: call("GET", path, headers=admin),
    )
    yield Case(
        "GET voucher",
        ("vouchers/ShowVoucher", GUEST),
        {"the voucher": 1, "its batch": 1, "its redemption": 1},
        lambda: call("GET", f"/vouchers/v1/vouchers/{code}"),
    )
    yield Case(
        "POST voucher redemption",
        ("vouchers/RedeemVoucher", GUEST),
        {"the voucher": 1, "its batch": 1, "its redemption": 1, "the new redemption": 1},
        lambda: call("POST", f"/vouchers/v1/vouchers/{next(codes)}/redemptions", json={"order_number": order}),
    )

    def new_batch(**options: Any) -> dict[str, Any]:
        return wait_for_batch(shop, admin, create_batch(shop, admin, count=1, **options))

    links = iter([new_batch(one_time=True)["download"]["url"] for _ in range(FEW + 2)])
    yield Case(
        "GET voucher download (one-time link)",
        ("vouchers/ExchangeLink",),
        {"the used link": 1, "the batch": 1},
        lambda: httpx.get(next(links), timeout=35),
        FEW,
    )
    batches = iter([new_batch()["batch_id"] for _ in range(FEW + 2)])
    yield Case(
        "POST voucher batch cancellation",
        ("vouchers/CancelBatch", ADMIN),
        # All gates of a batch are closed before the response, so that no redemption follows it.
        authorization_calls | {"the batch": 1, "its gates": 16, "its file and the file's release": 2},
        lambda: call("POST", f"/vouchers/v1/voucher-batches/{next(batches)}/cancellation", headers=admin),
        FEW,
    )


def _basket(shop: Shop, line: dict[str, Any]) -> str:
    basket = new_basket_id("bench")
    shop.call("POST", f"/basket/v1/baskets/{basket}/items", json=line).raise_for_status()
    return basket


def _bearer(answer: httpx.Response) -> dict[str, str]:
    return {"Authorization": f"Bearer {answer.raise_for_status().json()['session_token']}"}


def _complete(shop: Shop, status: str) -> None:
    eventually(lambda: shop.call("GET", status).json()["status"] == "Complete", timeout=120)


def _event() -> dict[str, Any]:
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return {"event_id": unique("bench"), "type": "bench", "occurred_at": now, "data": {"path": "/", "referrer": "/"}}

"""AWS calls of one warm request, against the minimum that the contract allows. Target: equal, on every path of every API.

Counts calls that the emulator records for the roles that answer: of the function and its authorizer, or of the API itself
without a function. Work after the response is not part of the request (``bench/orders.py`` counts a whole order), nor are
calls of Lambda, X-Ray and logs, which are the same for every function. Calls of external systems are no AWS calls. The live
map of operations is left out: it queries every queue and log, because SQS has no call for all queues.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import httpx

from bench.report import Verdict, report
from local import emulator_client
from local.emulator_client import resources
from tools import feeds, sitemaps
from tools.client import Shop, eventually, new_basket_id, unique
from tools.drivers.vouchers import batch_request, create_batch, download_file, wait_for_batch

REPEATS = 10
# For requests that start a workflow.
FEW = 3
NOT_THE_REQUEST = ("lambda:", "sts:", "logs:", "xray:", "cloudwatch:")
ADDRESS = {"name": "Ada Sample", "city": "Berlin", "postal_code": "10115", "country": "DE"}
GUEST, ADMIN, CUSTOMER = "login/AuthorizeGuest", "login/AuthorizeAdmin", "customers/AuthorizeCustomer"
BASKET, NUMBER = "basket/ShowBasket", "sequences/Api"


def calls() -> Counter[str]:
    """Number of calls by AWS operation since the emulator started."""
    return Counter(emulator_client.request("GET", "/_setpieces/calls").raise_for_status().json())


@dataclass(frozen=True)
class Case:
    """``roles`` (service/logical id) answer the request; ``least`` is the minimum number of their calls, by purpose."""

    name: str
    roles: tuple[str, ...]
    least: dict[str, int]
    request: Callable[[], Any]
    repeats: int = REPEATS


class Roles:
    """Calls by the roles of functions and APIs."""

    def __init__(self) -> None:
        self._roles = [one for one in resources() if one["type"] == "AWS::IAM::Role"]

    def calls(self, names: tuple[str, ...]) -> Counter[str]:
        calls_by_role = emulator_client.request("GET", "/_setpieces/calls?by=role").raise_for_status().json()["calls"]
        total: Counter[str] = Counter()
        for name in names:
            for role in self._physical(name):
                counted = calls_by_role.get(role, {})
                total.update({what: n for what, n in counted.items() if not what.startswith(NOT_THE_REQUEST)})
        return total

    def _physical(self, name: str) -> list[str]:
        """A service's role, or those of its API and integrations."""
        service, _, logical_id = name.partition("/")
        stack = f"-{service.title().replace('-', '')}-"
        logical_ids = {f"{logical_id}FunctionRole", f"{logical_id}Role"} | (
            {"HistoryRole"} if logical_id == "Api" else set()
        )
        physical_ids = [
            one["physical_id"] for one in self._roles if stack in one["stack"] and one["logical_id"] in logical_ids
        ]
        assert physical_ids, f"no role is called {name}"
        return physical_ids


def run() -> None:
    shop, roles = Shop.from_environment(), Roles()
    roles.calls(())  # the emulator counts from the first query
    rows = [_measure(roles, case) for case in _cases(shop)]
    over = [f"{row['request']} ({row['AWS calls']:g} for {row['least']})" for row in rows if row["equal"] != "yes"]
    verdict = Verdict(
        f"AWS calls per warm request, {len(rows)} request paths, against the minimum of the contract",
        "equal",
        f"{len(rows) - len(over)} of {len(rows)} equal",
        not over,
        f"more: {', '.join(over)}" if over else "",
    )
    report("aws_calls", "AWS calls per warm request, of the roles that answer", rows, [verdict])


def _measure(roles: Roles, case: Case) -> dict[str, Any]:
    for _ in range(2):
        _request(case)
    before = roles.calls(case.roles)
    for _ in range(case.repeats):
        _request(case)
    counts = roles.calls(case.roles) - before
    each = {
        name: round(count / case.repeats, 2) for name, count in sorted(counts.items()) if count / case.repeats > 0.15
    }
    total, least = sum(each.values()), sum(case.least.values())
    return {
        "request": case.name,
        "AWS calls": float(total),
        "least": least,
        "equal": "yes" if abs(total - least) < 0.2 else "NO",
        "operations": ", ".join(f"{name.partition(':')[2]} {count:g}" for name, count in each.items()),
        "least is": ", ".join(what if count == 1 else f"{count} x {what}" for what, count in case.least.items())
        or "cached",
    }


def _request(case: Case) -> None:
    answer = case.request()
    assert answer.status_code < 500, (case.name, answer.status_code, answer.text[:300])


def _cases(shop: Shop) -> Iterator[Case]:
    listed = shop.call("GET", "/catalog/v1/products?query=sp-").json()["items"]
    sku, other = [item["sku"] for item in listed if item["available"]][:2]
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

    order = {"basket_id": basket, "customer_id": "guest", "payment_token": "tok_ok", "ship_to": ADDRESS}
    yield Case(
        "POST order",
        ("orders/SubmitOrder", GUEST, BASKET, NUMBER),
        # Processing the order prices it from its basket again.
        {"the basket": 2, "number": 1, "the order": 1, "its queue": 1},
        lambda: call("POST", "/orders/v1/orders", json=order),
    )
    yield Case(
        "POST order with a key",
        ("orders/SubmitOrder", GUEST, BASKET, NUMBER),
        {"the key": 1, "the basket": 2, "number": 1, "order and key": 1, "its queue": 1},
        lambda: call("POST", "/orders/v1/orders", json=order, headers={"Idempotency-Key": unique("bench")}),
    )
    placed = call("POST", "/orders/v1/orders", json=order).json()["order_number"]
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
    quotation = {
        "order_number": placed,
        "currency": "EUR",
        "lines": [line],
        "ship_to": {"country": "DE", "postal_code": "50667"},
    }
    yield Case(
        "POST tax quotation",
        ("tax/QuoteTax",),
        {},
        lambda: call("POST", "/tax/v1/quotations", json=quotation, sign=True),
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
    yield from _of_admins(shop, admin, number)


def _of_admins(shop: Shop, admin: dict[str, str], customer: str) -> Iterator[Case]:
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
        {"the voucher": 1, "its batch": 1, "the new redemption": 1},
        lambda: call("POST", f"/vouchers/v1/vouchers/{next(codes)}/redemptions", json={"order_number": "T000000001"}),
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

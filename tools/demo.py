"""``make demo``: one customer's walk through every set piece, over the shop's own addresses, with what happened.

Each step is a function that does its part over HTTP, checks the answer, and returns one line for the reader. The first step
that does not hold ends the demo with exit code 1 and the reason.
"""

import hashlib
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import click
import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn

from tools import accounts, feed_samples, feeds, sitemaps
from tools.client import Shop, eventually, new_basket_id, unique
from tools.drivers.vouchers import PATH, batch_request, download_file
from tools.failures import requires_shop
from tools.mail import outbox

console = Console(highlight=False)
VOUCHERS = 10_000
EVENTS = 200


class Journey:
    """State of the customer during the demo."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.basket = new_basket_id("demo")
        self.product: dict[str, Any] = {}
        self.session: dict[str, Any] = {}
        self.profile = ""
        self.progress: Callable[[int, int], None] = lambda done, of: None

    def call(self, method: str, path: str, expected: int, **options: Any) -> Any:
        """Call and check the status; the decoded body."""
        answer = self.shop.call(method, path, **options)
        if answer.status_code != expected:
            raise AssertionError(
                f"{method} {path} answered {answer.status_code} instead of {expected}: {answer.text[:500]}"
            )
        return answer.json() if answer.content else None


def browse(journey: Journey) -> str:
    items = journey.call("GET", "/catalog/v1/products?query=sp-", 200)["items"]
    journey.product = next(item for item in items if item["available"])
    detail = journey.call("GET", f"/catalog/v1/products/{journey.product['sku']}", 200)
    return f"{len(items)} products on the first page; views {detail['name']} ({money(detail)})"


def fill_basket(journey: Journey) -> str:
    path, sku = f"/basket/v1/baskets/{journey.basket}", journey.product["sku"]
    headers = {"Idempotency-Key": unique("add")}
    first = journey.call("POST", f"{path}/items", 201, json={"sku": sku, "quantity": 1}, headers=headers)
    again = journey.call("POST", f"{path}/items", 201, json={"sku": sku, "quantity": 1}, headers=headers)
    if first != again:
        raise AssertionError("the repeated request had a different response")
    basket = journey.call("GET", path, 200)
    return f"adds one item; a repeated click changes nothing: {basket['totals']}"


def change_basket(journey: Journey) -> str:
    path, sku = f"/basket/v1/baskets/{journey.basket}", journey.product["sku"]
    journey.call("PATCH", f"{path}/items/{sku}", 200, json={"quantity": 2})
    journey.call("DELETE", f"{path}/items/{sku}", 204)
    journey.call("POST", f"{path}/items", 201, json={"sku": sku, "quantity": 1})
    return "changes the quantity to two and back to one"


def slow_platform(journey: Journey) -> str:
    path = f"/basket/v1/baskets/{journey.basket}"
    before = journey.call("GET", path, 200)
    started = time.monotonic()
    with journey.shop.faults("commerce", outage=True):
        answer = journey.shop.call("POST", f"{path}/items", json={"sku": journey.product["sku"], "quantity": 1})
    if answer.status_code != 503 or "retry-after" not in answer.headers:
        raise AssertionError(f"expected 503 with Retry-After, got {answer.status_code}")
    if journey.call("GET", path, 200) != before:
        raise AssertionError("the basket changed although the platform was down")
    return f"the commerce platform is down: 503 after {time.monotonic() - started:.1f} s, the basket is unchanged"


def number(journey: Journey) -> str:
    value = journey.call("POST", "/sequences/v1/sequences/order/next", 200, sign=True)
    lease = journey.call("POST", "/sequences/v1/sequences/voucher/lease", 200, json={"count": 1000}, sign=True)
    return (
        f"order number {value['formatted']} and a lease of {lease['count']} voucher numbers, without a single function"
    )


def sign_up(journey: Journey) -> str:
    new = {"email": f"{unique('demo')}@example.com", "password": unique("demo"), "name": "Ada Sample"}
    customer_id = accounts.sign_up(journey.shop, **new)
    # What the old site has of her. The migration asks for it three times before it believes that there is nothing.
    legacy = {"source_version": 1, "phone": "+49 30 1234", "addresses": [{"city": "Berlin", "country": "DE"}]}
    journey.call("PUT", f"/partners/v1/commerce/legacy/customers/{customer_id}", 201, json=legacy)
    journey.session = _session(journey, new)
    journey.profile = f"/customers/v1/customers/{customer_id}"
    return f"customer {customer_id}, confirmed by a mailed link, signed in until {journey.session['expires_at'][:16]}"


def migrate(journey: Journey) -> str:
    admin = _bearer(_session(journey, journey.shop.samples["admin"]))
    path = f"/customer-migration/v1/migrations/{journey.session['customer_id']}"

    def ended() -> dict[str, Any]:
        answer = journey.shop.call("GET", path, headers=admin)
        return answer.json() if answer.status_code == 200 and answer.json()["status"] != "PENDING" else {}

    migration = eventually(ended, timeout=60)
    if migration["status"] != "MIGRATED":
        raise AssertionError(f"the migration ended as {migration}")
    return f"the old site's data was migrated, attempts: {migration['attempts']}"


def see_profile(journey: Journey) -> str:
    session = _bearer(journey.session)
    profile = journey.shop.call("GET", f"{journey.profile}/profile", headers=session)
    if profile.status_code != 200 or profile.json().get("addresses", [{}])[0].get("city") != "Berlin":
        raise AssertionError(f"GET profile answered {profile.status_code}: {profile.text[:300]}")
    headers = session | {"If-Match": profile.headers["ETag"]}
    journey.call("PATCH", f"{journey.profile}/profile", 200, json={"name": "Ada Example"}, headers=headers)
    journey.call("PATCH", f"{journey.profile}/profile", 412, json={"name": "Ada Late"}, headers=headers)
    return "address migrated from the old site; renamed; a change with an outdated version is refused"


def see_rewards(journey: Journey) -> str:
    rewards = journey.call("GET", f"{journey.profile}/rewards", 200, headers=_bearer(journey.session))
    other = f"/customers/v1/customers/{journey.shop.samples['customer']['customer_id']}/rewards"
    refusal = journey.call("GET", other, 403, headers=_bearer(journey.session))
    return f"{rewards['points']} points, {rewards['tier']}; another customer's: {refusal['code']}"


def _session(journey: Journey, person: dict[str, str]) -> dict[str, Any]:
    credentials = {name: person[name] for name in ("email", "password")}
    session: dict[str, Any] = journey.call("POST", "/login/v1/sessions", 201, json=credentials)
    return session


def _bearer(session: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {session['session_token']}"}


def order(journey: Journey) -> str:
    number, shown = place_order(journey, "tok_ok")
    if shown["status"] != "Complete":
        raise AssertionError(f"order {number} ended as {shown}")
    shipments = eventually(lambda: journey.shop.ledger("shipments", number), timeout=60)
    charges = journey.shop.ledger("charges", number)
    amount = money({"unit_price": charges[0]["amount"], "currency": charges[0]["currency"]})
    return f"{number} is Complete: charged {amount} {times(charges)}, shipped {times(shipments)}"


def declined_card(journey: Journey) -> str:
    number, shown = place_order(journey, "tok_declined")
    if (shown["status"], shown.get("reason_code")) != ("Failed", "PAYMENT_DECLINED"):
        raise AssertionError(f"order {number} ended as {shown}")
    return f"{number} is Failed: {shown['reason_code']}, nothing shipped"


def place_order(journey: Journey, payment_token: str) -> tuple[str, dict[str, Any]]:
    """(order number, its last status); polls as ``Retry-After`` advises."""
    session = _bearer(journey.session) if journey.session else {}
    sent = {
        "basket_id": journey.basket,
        "customer_id": journey.session.get("customer_id", "guest"),
        "payment_token": payment_token,
        "ship_to": {"name": "Ada Sample", "city": "Berlin", "postal_code": "10115", "country": "DE"},
    }
    headers = session | {"Idempotency-Key": unique("order")}
    number = journey.call("POST", "/orders/v1/orders", 202, json=sent, headers=headers)["order_number"]
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        answer = journey.shop.call("GET", f"/orders/v1/orders/{number}/status", headers=session)
        if answer.status_code != 200:
            raise AssertionError(f"the status of {number} returned {answer.status_code}: {answer.text[:300]}")
        if "retry-after" not in answer.headers:
            return number, answer.json()
        time.sleep(int(answer.headers["retry-after"]))
    raise AssertionError(f"order {number} is still in progress after two minutes")


def vouchers(journey: Journey) -> str:
    admin = _bearer(_session(journey, journey.shop.samples["admin"]))
    to = f"{unique('demo')}@example.com"
    request = batch_request(count=VOUCHERS, campaign="Demo", notify=to)
    path = f"{PATH}/{journey.call('POST', PATH, 202, json=request, headers=admin)['batch_id']}"
    deadline = time.monotonic() + 180
    while (batch := journey.call("GET", path, 200, headers=admin))["status"] not in ("COMPLETE", "FAILED"):
        journey.progress(batch["generated"], VOUCHERS)
        if time.monotonic() > deadline:
            raise AssertionError(f"the batch is still {batch['status']} after three minutes")
        time.sleep(0.5)
    if batch["status"] == "FAILED":
        raise AssertionError(f"the batch failed: {batch['reason']}")
    content = download_file(batch)
    codes = set(content.decode().splitlines())
    if len(codes) != VOUCHERS or hashlib.sha256(content).hexdigest() != batch["sha256"]:
        raise AssertionError(f"the file holds {len(codes)} different codes, or is not the generated file")
    mail = eventually(lambda: outbox(journey.shop, to))[0]
    worth = _redeem(journey, codes.pop())
    return f"{VOUCHERS:,} generated, downloaded and verified; mail (make mail): {mail.subject}. {worth}"


def _redeem(journey: Journey, code: str) -> str:
    path = f"/vouchers/v1/vouchers/{code}/redemptions"
    redeemed = journey.call("POST", path, 201, json={"order_number": "T000000001"})
    refusal = journey.call("POST", path, 409, json={"order_number": "T000000002"})
    return (
        f"One voucher is worth {redeemed['value'] / 100:.2f} {redeemed['currency']}; redeemed twice: {refusal['code']}"
    )


def put_feeds(journey: Journey) -> str:
    """Uploads three feeds of a thousand records each: products, prices, stock."""
    admin, version = feeds.admin(journey.shop), int(time.time())
    updated = 0
    for feed_type in ("product", "pricing", "sku"):
        content = feed_samples.as_json(feed_samples.records(feed_type, feeds.SAMPLES, version=version))
        feed_id = feeds.put(journey.shop, admin, feed_type, content)
        shown = feeds.accounted(journey.shop, admin, feed_type, feed_id, progress=journey.progress)
        if shown["updated"] + shown["stale"] + shown["unchanged"] != feeds.SAMPLES:
            raise AssertionError(f"the {feed_type} feed ended with {shown}")
        updated += shown["updated"]
    sku = next(feed_samples.skus(1))
    product = journey.call("GET", f"/catalog/v1/products/{sku}", 200)
    return f"{updated:,} records updated on the platform; {sku}, {product['name']}, costs {money(product)}"


def post_events(journey: Journey) -> str:
    """Sends single events and a batch, then checks the counts of the roll-up."""
    name, key = unique("demo"), {"x-api-key": journey.shop.samples["ingest_api_key"]}
    viewed = {"type": name, "occurred_at": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")}
    sent = [viewed | {"event_id": f"{name}-{n}", "data": {"path": f"/products/{n}"}} for n in range(EVENTS)]
    journey.call("POST", "/ingestion/v1/events", 202, json=sent[0], headers=key)
    answer = journey.call("POST", "/ingestion/v1/events/batch", 202, json={"events": sent[1:]}, headers=key)
    refusal = journey.call("POST", "/ingestion/v1/events", 400, json=sent[0] | {"occurred_at": "today"}, headers=key)
    table = journey.shop.address("ingestion", "counts-table-name")

    def counted() -> int:
        items = journey.shop.aws("dynamodb").scan(TableName=table, ConsistentRead=True)["Items"]
        found = sum(int(item["events"]["N"]) for item in items if item.get("type") == {"S": name})
        journey.progress(found, EVENTS)
        return found

    eventually(lambda: counted() == EVENTS, timeout=60)
    return (
        f"{1 + answer['accepted']} stored without a function and counted by hour; one without a time: {refusal['code']}"
    )


def old_addresses(journey: Journey) -> str:
    """Requests a moved URL of the old shop, a removed one, and an unknown one."""
    moved = journey.shop.call("GET", "/p/10001-coral-beacon")
    gone, unknown = (journey.shop.call("GET", path).status_code for path in ("/club", "/no/such/page"))
    if (moved.status_code, gone, unknown) != (308, 410, 404):
        raise AssertionError(f"old URLs returned {moved.status_code}, {gone} and {unknown}")
    return f"/p/10001-coral-beacon is now {moved.headers['location']}; /club is removed ({gone})"


def search_engines(journey: Journey) -> str:
    """Checks that the sitemaps contain all pages, including the customer's product."""
    session = feeds.admin(journey.shop)
    run = sitemaps.ended(journey.shop, session, sitemaps.start(journey.shop, session))
    index = journey.shop.call("GET", "/sitemap.xml").text
    if run["status"] not in sitemaps.GOOD or "<sitemapindex" not in index:
        raise AssertionError(f"the run ended {run['status']} ({run.get('reason')}); /sitemap.xml is {index[:200]}")
    return f"{run['urls']:,} pages in {run['files']} sitemap files: {run['status']}"


def live_map(journey: Journey) -> str:
    """Reads the live map as an administrator."""
    session = feeds.admin(journey.shop)
    services = journey.call("GET", "/operations/v1/architecture", 200, headers=session)["services"]
    queues = [queue for service in services for queue in service["queues"]]
    dead = sum(queue["waiting"] for queue in queues if queue["dead_letters"])
    events = journey.call("GET", "/operations/v1/events", 200, headers=session)["events"]
    if not events:
        raise AssertionError("the bus has no event in its log")
    return (
        f"{len(services)} set pieces, {len(queues)} queues, {dead} dead letters; last on the bus: {events[0]['event']}"
    )


def times(entries: list[dict[str, Any]]) -> str:
    return "once" if len(entries) == 1 else f"{len(entries)} times"


def money(priced: dict[str, Any]) -> str:
    return f"{priced['unit_price'] / 100:.2f} {priced['currency']}"


STEPS: tuple[tuple[str, Callable[[Journey], str]], ...] = (
    ("Catalog", browse),
    ("Basket: add", fill_basket),
    ("Basket: change", change_basket),
    ("Basket: outage", slow_platform),
    ("Sequences", number),
    ("Sign-up, login", sign_up),
    ("Migration", migrate),
    ("Profile", see_profile),
    ("Rewards", see_rewards),
    ("Order", order),
    ("Order: declined", declined_card),
    ("Vouchers", vouchers),
    ("Feeds", put_feeds),
    ("Ingestion", post_events),
    ("Redirects", old_addresses),
    ("Sitemaps", search_engines),
    ("Live map", live_map),
)


def _show(shown: Progress, task: TaskID, done: int, of: int) -> None:
    shown.update(task, completed=done, total=of)


@click.command()
@requires_shop
def main() -> None:
    """Run a customer's journey through all set pieces."""
    demo_started = time.monotonic()
    journey = Journey(Shop.from_environment())
    for title, walk in STEPS:
        started = time.monotonic()
        columns = SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as shown:
            task = shown.add_task(title, total=None)
            journey.progress = partial(_show, shown, task)
            try:
                line = walk(journey)
            except (AssertionError, LookupError, StopIteration, httpx.HTTPError) as failure:
                console.print(f"[red]failed[/] {title}: {failure or type(failure).__name__}", soft_wrap=True)
                raise SystemExit(1) from failure
        console.print(
            f"[green]ok[/] [bold]{title:16}[/] {line} [dim]{time.monotonic() - started:.1f} s[/]", soft_wrap=True
        )
    console.print(f"All {len(STEPS)} steps passed in {time.monotonic() - demo_started:.0f} s.")

"""``make demo``: a customer's journey through every set piece over HTTP, with a line for each step.

A step is a function that sends requests, checks the responses and returns its line. The first step that fails ends the demo
with exit code 1 and the reason. The links of a sign-up and of vouchers come by mail, which only the local cloud keeps, so
another stage has ``make smoke``.
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

from local.cloud.mail import require_mails
from local.mailbox import outbox
from tools import accounts, feed_samples, feeds, sitemaps
from tools.client import Shop, eventually, new_basket_id, unique
from tools.drivers.journey import Journey, bearer, money, place_order, price, quote, sign_in
from tools.drivers.vouchers import PATH, batch_request, download_file
from tools.failures import requires_shop

console = Console(highlight=False)
VOUCHERS = 10_000
EVENTS = 200


def browse(journey: Journey) -> str:
    items = journey.call("GET", "/catalog/v1/products?query=sp-", 200)["items"]
    journey.product = next(item for item in items if item["available"])
    detail = journey.call("GET", f"/catalog/v1/products/{journey.product['sku']}", 200)
    return f"{len(items)} products on the first page; viewed {detail['name']} ({price(detail)})"


def fill_basket(journey: Journey) -> str:
    path, sku = f"/basket/v1/baskets/{journey.basket}", journey.product["sku"]
    headers = {"Idempotency-Key": unique("add")}
    first = journey.call("POST", f"{path}/items", 201, json={"sku": sku, "quantity": 1}, headers=headers)
    repeated = journey.call("POST", f"{path}/items", 201, json={"sku": sku, "quantity": 1}, headers=headers)
    if first != repeated:
        raise AssertionError("the repeated request had a different response")
    basket = journey.call("GET", path, 200)
    totals = basket["totals"]
    amount = money(totals["amount"], totals["currency"])
    return f"added one item; a repeated request added none: quantity {totals['quantity']}, {amount}"


def change_basket(journey: Journey) -> str:
    path, sku = f"/basket/v1/baskets/{journey.basket}", journey.product["sku"]
    journey.call("PATCH", f"{path}/items/{sku}", 200, json={"quantity": 2})
    journey.call("DELETE", f"{path}/items/{sku}", 204)
    journey.call("POST", f"{path}/items", 201, json={"sku": sku, "quantity": 1})
    return "changed the quantity to two and back to one"


def commerce_outage(journey: Journey) -> str:
    path = f"/basket/v1/baskets/{journey.basket}"
    before = journey.call("GET", path, 200)
    started = time.monotonic()
    with journey.shop.faults("commerce", outage=True):
        response = journey.shop.call("POST", f"{path}/items", json={"sku": journey.product["sku"], "quantity": 1})
    if response.status_code != 503 or "retry-after" not in response.headers:
        raise AssertionError(f"expected 503 with Retry-After, got {response.status_code}")
    if journey.call("GET", path, 200) != before:
        raise AssertionError("the basket changed although the platform was down")
    return f"the commerce platform is down: 503 after {time.monotonic() - started:.1f} s, the basket is unchanged"


def sequence_numbers(journey: Journey) -> str:
    number = journey.call("POST", "/sequences/v1/sequences/order/next", 200, sign=True)
    lease = journey.call("POST", "/sequences/v1/sequences/voucher/lease", 200, json={"count": 1000}, sign=True)
    return f"order number {number['formatted']} and a lease of {lease['count']} voucher numbers, without a function"


def sign_up(journey: Journey) -> str:
    account = {"email": f"{unique('demo')}@example.com", "password": unique("demo"), "name": "Ada Sample"}
    customer_id = accounts.sign_up(journey.shop, **account)
    # Her record on the legacy platform. The migration reads it up to three times before it records that there is none.
    legacy = {"source_version": 1, "phone": "+49 30 1234", "addresses": [{"city": "Berlin", "country": "DE"}]}
    journey.call("PUT", f"/partners/v1/commerce/legacy/customers/{customer_id}", 201, json=legacy)
    journey.session = sign_in(journey, account)
    journey.profile = f"/customers/v1/customers/{customer_id}"
    return f"customer {customer_id}, confirmed by a mailed link, signed in until {journey.session['expires_at'][:16]}"


def migrate(journey: Journey) -> str:
    admin = bearer(sign_in(journey, journey.shop.samples["admin"]))
    path = f"/customer-migration/v1/migrations/{journey.session['customer_id']}"

    def ended_migration() -> dict[str, Any]:
        response = journey.shop.call("GET", path, headers=admin)
        return response.json() if response.status_code == 200 and response.json()["status"] != "PENDING" else {}

    migration = eventually(ended_migration, timeout=60)
    if migration["status"] != "MIGRATED":
        raise AssertionError(f"the migration ended as {migration}")
    return f"migrated the data of the legacy platform at attempt {migration['attempts']}"


def see_profile(journey: Journey) -> str:
    session = bearer(journey.session)
    profile = journey.shop.call("GET", f"{journey.profile}/profile", headers=session)
    if profile.status_code != 200 or profile.json().get("addresses", [{}])[0].get("city") != "Berlin":
        raise AssertionError(f"GET profile returned {profile.status_code}: {profile.text[:300]}")
    headers = session | {"If-Match": profile.headers["ETag"]}
    journey.call("PATCH", f"{journey.profile}/profile", 200, json={"name": "Ada Example"}, headers=headers)
    journey.call("PATCH", f"{journey.profile}/profile", 412, json={"name": "Ada Late"}, headers=headers)
    return "has the migrated address; renamed; a change with an outdated ETag was refused"


def see_rewards(journey: Journey) -> str:
    rewards = journey.call("GET", f"{journey.profile}/rewards", 200, headers=bearer(journey.session))
    other = f"/customers/v1/customers/{journey.shop.samples['customer']['customer_id']}/rewards"
    refusal = journey.call("GET", other, 403, headers=bearer(journey.session))
    return f"{rewards['points']} points, {rewards['tier']}; another customer's: {refusal['code']}"


def quotation(journey: Journey) -> str:
    """Request the full price before anything is ordered."""
    quoted = quote(journey)
    total, tax = (money(quoted[name], quoted["currency"]) for name in ("total", "tax_total"))
    delivery = money(quoted["delivery"]["amount"], quoted["currency"])
    return f"{total} with {tax} tax and {delivery} delivery, valid until {quoted['expires_at'][:16]}"


def order(journey: Journey) -> str:
    quoted = quote(journey)
    number, status = place_order(journey, "tok_ok", quoted)
    if status["status"] != "Complete":
        raise AssertionError(f"order {number} ended with {status}")
    shipments = eventually(lambda: journey.shop.ledger("shipments", number), timeout=60)
    charges = journey.shop.ledger("charges", number)
    if charges[0]["amount"] != quoted["total"]:
        raise AssertionError(f"quoted {quoted['total']}, charged {charges[0]['amount']}")
    wait_for_basket(journey, 404)
    amount = money(charges[0]["amount"], charges[0]["currency"])
    return f"{number} is Complete: charged {amount} {times(charges)} as quoted, shipped {times(shipments)}"


def declined_card(journey: Journey) -> str:
    """Order a new basket with a declined card, which gives the basket back."""
    journey.basket = new_basket_id("demo")
    line = {"sku": journey.product["sku"], "quantity": 2}
    journey.call("POST", f"/basket/v1/baskets/{journey.basket}/items", 201, json=line)
    number, status = place_order(journey, "tok_declined", quote(journey))
    if (status["status"], status.get("reason_code")) != ("Failed", "PAYMENT_DECLINED"):
        raise AssertionError(f"order {number} ended with {status}")
    wait_for_basket(journey, 200)
    return f"{number} is Failed: {status['reason_code']}, nothing shipped; the basket is open again"


def wait_for_basket(journey: Journey, status: int) -> None:
    """Wait until the order is closed: its basket is open (200), or gone (404)."""

    def is_closed() -> bool:
        response = journey.shop.call("GET", f"/basket/v1/baskets/{journey.basket}")
        return response.status_code == status and (status == 404 or response.json()["status"] == "open")

    eventually(is_closed, timeout=60)


def vouchers(journey: Journey) -> str:
    admin = bearer(sign_in(journey, journey.shop.samples["admin"]))
    recipient = f"{unique('demo')}@example.com"
    request = batch_request(count=VOUCHERS, campaign="Demo", notify=recipient)
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
    mail = eventually(lambda: outbox(journey.shop.emulator, recipient))[0]
    payment = _redeem(journey, codes.pop())
    return f"{VOUCHERS:,} generated, downloaded and verified; mail (make mail): {mail.subject}. {payment}"


def _redeem(journey: Journey, code: str) -> str:
    """Pay a part of the basket with a voucher, then try to use it again."""
    quoted = quote(journey, (code,))
    number, status = place_order(journey, "tok_ok", quoted)
    if status["status"] != "Complete":
        raise AssertionError(f"order {number} ended with {status}")
    wait_for_basket(journey, 404)
    path, headers = f"/vouchers/v1/vouchers/{code}/redemptions", bearer(journey.session)
    redeemed = journey.call("POST", path, 200, json={"order_number": number}, headers=headers)
    discount = money(quoted["discounts"][0]["amount"], quoted["currency"])
    total = money(quoted["total"], quoted["currency"])
    return f"One paid {discount} of {number}, total {total}; it is {redeemed['status']}"


def put_feeds(journey: Journey) -> str:
    """Upload three feeds of a thousand records each: products, prices, stock."""
    admin, version = feeds.admin_session(journey.shop), int(time.time())
    updated = 0
    for feed_type in ("product", "pricing", "sku"):
        content = feed_samples.as_json(feed_samples.records(feed_type, feeds.SAMPLES, version=version))
        feed_id = feeds.upload(journey.shop, admin, feed_type, content)
        manifest = feeds.complete_manifest(journey.shop, admin, feed_type, feed_id, progress=journey.progress)
        if manifest["updated"] + manifest["stale"] + manifest["unchanged"] != feeds.SAMPLES:
            raise AssertionError(f"the {feed_type} feed ended with {manifest}")
        updated += manifest["updated"]
    sku = next(feed_samples.skus(1))
    product = journey.call("GET", f"/catalog/v1/products/{sku}", 200)
    return f"{updated:,} records updated on the platform; {sku}, {product['name']}, costs {price(product)}"


def post_events(journey: Journey) -> str:
    """Send single events and a batch, then check the counts of the roll-up."""
    name, key = unique("demo"), {"x-api-key": journey.shop.samples["ingest_api_key"]}
    event = {"type": name, "occurred_at": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")}
    events = [event | {"event_id": f"{name}-{n}", "data": {"path": f"/products/{n}"}} for n in range(EVENTS)]
    journey.call("POST", "/ingestion/v1/events", 202, json=events[0], headers=key)
    batch = journey.call("POST", "/ingestion/v1/events/batch", 202, json={"events": events[1:]}, headers=key)
    refusal = journey.call("POST", "/ingestion/v1/events", 400, json=events[0] | {"occurred_at": "today"}, headers=key)
    table = journey.shop.address("ingestion", "counts-table-name")

    def event_count() -> int:
        items = journey.shop.aws("dynamodb").scan(TableName=table, ConsistentRead=True)["Items"]
        count = sum(int(item["events"]["N"]) for item in items if item.get("type") == {"S": name})
        journey.progress(count, EVENTS)
        return count

    eventually(lambda: event_count() == EVENTS, timeout=60)
    return f"{1 + batch['accepted']} stored without a function and counted by hour; an invalid one: {refusal['code']}"


def old_addresses(journey: Journey) -> str:
    """Request a moved URL of the old shop, a removed one, and an unknown one."""
    moved = journey.shop.call("GET", "/p/10001-coral-beacon")
    gone, unknown = (journey.shop.call("GET", path).status_code for path in ("/club", "/no/such/page"))
    if (moved.status_code, gone, unknown) != (308, 410, 404):
        raise AssertionError(f"old URLs returned {moved.status_code}, {gone} and {unknown}")
    return f"/p/10001-coral-beacon is now {moved.headers['location']}; /club is removed ({gone})"


def search_engines(journey: Journey) -> str:
    """Generate the sitemaps and fetch their index."""
    session = feeds.admin_session(journey.shop)
    run = sitemaps.wait_for_run(journey.shop, session, sitemaps.start(journey.shop, session))
    index = journey.shop.call("GET", "/sitemap.xml").text
    if run["status"] not in sitemaps.SUCCEEDED or "<sitemapindex" not in index:
        raise AssertionError(f"the run ended with {run['status']} ({run.get('reason')}); /sitemap.xml is {index[:200]}")
    return f"{run['urls']:,} URLs, sitemap files: {run['files']}, {run['status']}"


def live_map(journey: Journey) -> str:
    """Read the live map as an administrator."""
    session = feeds.admin_session(journey.shop)
    services = journey.call("GET", "/operations/v1/architecture", 200, headers=session)["services"]
    queues = [queue for service in services for queue in service["queues"]]
    dead_letters = sum(queue["waiting"] for queue in queues if queue["dead_letters"])
    events = journey.call("GET", "/operations/v1/events", 200, headers=session)["events"]
    if not events:
        raise AssertionError("the log of the bus has no events")
    return f"{len(services)} set pieces, {len(queues)} queues, {dead_letters} dead letters; last event: {events[0]['event']}"


def times(entries: list[dict[str, Any]]) -> str:
    return "once" if len(entries) == 1 else f"{len(entries)} times"


STEPS: tuple[tuple[str, Callable[[Journey], str]], ...] = (
    ("Catalog", browse),
    ("Basket: add", fill_basket),
    ("Basket: change", change_basket),
    ("Basket: outage", commerce_outage),
    ("Sequences", sequence_numbers),
    ("Sign-up, login", sign_up),
    ("Migration", migrate),
    ("Profile", see_profile),
    ("Rewards", see_rewards),
    ("Quotation", quotation),
    ("Order", order),
    ("Order: declined", declined_card),
    ("Vouchers", vouchers),
    ("Feeds", put_feeds),
    ("Ingestion", post_events),
    ("Redirects", old_addresses),
    ("Sitemaps", search_engines),
    ("Live map", live_map),
)


def _update(progress: Progress, task: TaskID, done: int, total: int) -> None:
    progress.update(task, completed=done, total=total)


@click.command()
@requires_shop
def main() -> None:
    """Run a customer's journey through all set pieces."""
    demo_started = time.monotonic()
    shop = Shop.from_environment()
    require_mails(shop)
    journey = Journey(shop)
    for title, run in STEPS:
        started = time.monotonic()
        columns = SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
            task = progress.add_task(title, total=None)
            journey.progress = partial(_update, progress, task)
            try:
                line = run(journey)
            except (AssertionError, LookupError, StopIteration, httpx.HTTPError) as failure:
                console.print(f"[red]failed[/] {title}: {failure or type(failure).__name__}", soft_wrap=True)
                raise SystemExit(1) from failure
        console.print(
            f"[green]ok[/] [bold]{title:16}[/] {line} [dim]{time.monotonic() - started:.1f} s[/]", soft_wrap=True
        )
    console.print(f"All {len(STEPS)} steps passed in {time.monotonic() - demo_started:.0f} s.")

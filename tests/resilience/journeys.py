"""Clients that use the whole shop over HTTP, retry as documented and record the shop's promises.

A journey is a function of a client. Its choices come from the client's own generator, so a seed repeats them;
names are new in every run because the shop stores them.
"""

import json
import random
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import httpx

from local.emulator_client import resources
from tests.resilience.purchases import (
    ADDRESS,
    browse,
    fill_basket,
    order_quotation,
    place_order,
    quote,
    redeem,
    wait_for_order,
    watch_voucher,
)
from tests.resilience.retrying_client import PAUSE_SECONDS, Client, Refused
from tools import feed_samples
from tools.accounts import mailed_token
from tools.client import Shop, unique
from tools.drivers import vouchers
from tools.drivers.promises import Customer, Feed, Order, Promises

SEQUENCES = "/sequences/v1/sequences"
FEED_RECORDS = 40
EVENTS = 20


def buy_as_guest(client: Client) -> None:
    """Buy without an account, with a quotation and without one; the latter order is declined, its basket ordered again."""
    product = browse(client)
    paid = order_quotation(client, quote(client, fill_basket(client, product)), twice=True)
    declined = place_order(client, fill_basket(client, product), "tok_declined", twice=True)
    for order in (paid, declined):
        wait_for_order(client, order)
    if declined.ended:
        wait_for_order(client, order_quotation(client, quote(client, declined.basket)))


def buy_as_member(client: Client) -> None:
    """Sign up, migrate, change the name, buy and sign out."""
    new = {
        "email": f"{client.secret('mail')}@example.com",
        "password": client.secret("password"),
        "name": client.secret("Name"),
    }
    sign_up = {name: new[name] for name in ("email", "name")}
    token = mailed_token(
        client.shop,
        new["email"],
        lambda headers: client.call("POST", "/customers/v1/customers", 202, json=sign_up, headers=headers),
    )
    confirmed = {"token": token, "password": new["password"]}
    response = client.call("POST", "/customers/v1/customers/confirmations", 201, json=confirmed)
    customer_id = response.json()["customer_id"]
    legacy = {
        "source_version": client.chance.randrange(1, 8),
        "phone": client.secret("+49"),
        "addresses": [{"line": client.secret("Street"), "city": "Bern"}],
        "language": client.chance.choice(("de", "fr", "it")),
    }
    client.call("PUT", f"/partners/v1/commerce/legacy/customers/{customer_id}", 200, 201, json=legacy)
    customer = Customer(customer_id, legacy, {"name": new["name"], "email": new["email"]})
    client.promises.customers.append(customer)
    # The first attempt may precede the customer's legacy record.
    client.call("POST", f"/customer-migration/v1/migrations/{customer_id}", 202, headers=client.admin())
    session = client.sign_in(new["email"], new["password"])
    change_name(client, customer, session)
    client.call("GET", f"/customers/v1/customers/{customer_id}/rewards", 200, headers=session)
    order = place_order(client, fill_basket(client, browse(client)), customer_id=customer_id, session=session)
    sign_out(client, client.sign_in(new["email"], new["password"]))
    wait_for_order(client, order)


def change_name(client: Client, customer: Customer, session: dict[str, str]) -> None:
    """Change the name with ``If-Match``; retries while the migration changes the profile."""
    path, name = f"/customers/v1/customers/{customer.customer_id}/profile", client.secret("Name")
    while True:
        profile = client.call("GET", path, 200, headers=session)
        headers = session | {"If-Match": profile.headers["etag"]}
        if client.call("PATCH", path, 200, 412, json={"name": name}, headers=headers).status_code == 200:
            customer.own["name"], customer.changes = name, customer.changes + 1
            return


def sign_out(client: Client, session: dict[str, str]) -> None:
    """End a session: later requests return 401."""
    client.call("DELETE", "/login/v1/sessions/current", 204, 401, headers=session)
    client.call("GET", "/orders/v1/orders/T000000001/status", 401, headers=session)


def redeem_vouchers(client: Client) -> None:
    """Use vouchers of a complete batch: two pay for an order, another one is redeemed for it through the API."""
    admin = client.admin()
    for batch_id in sorted(client.promises.batches.keys() - client.promises.one_time):
        batch = client.call("GET", f"{vouchers.PATH}/{batch_id}", 200, headers=admin).json()
        if batch["status"] == "COMPLETE":
            *paying, redeemed = client.chance.sample(download_codes(client, batch), 3)
            order = pay_with_vouchers(client, paying)
            wait_for_order(client, order)
            redeem(client, redeemed, [order])
            return


def download_codes(client: Client, batch: dict[str, Any]) -> list[str]:
    """Download the vouchers of a complete batch."""
    client.promises.add_signed_link(batch["download"]["url"])
    voucher_codes = vouchers.download_file(batch).decode().split()
    client.promises.add_secrets(*voucher_codes)
    return voucher_codes


def pay_with_vouchers(client: Client, codes: list[str]) -> Order:
    """Order two of a product; those of the vouchers that can be used pay for a part."""
    for code in codes:
        watch_voucher(client, code)
    return order_quotation(client, quote(client, fill_basket(client, browse(client)), codes))


def follow_old_links(client: Client) -> None:
    """Follow links to the old shop."""
    for path, status in (("/p/10001-coral-beacon", 308), ("/club", 410), ("/no/such/page", 404)):
        client.call("GET", path, status)


# --- the shop's own people, and other systems ---


def issue_vouchers(client: Client) -> None:
    """Request three batches: a regular one, one with a single-use link and one that is cancelled."""
    admin = client.admin()
    for kind in ("regular", "one_time", "cancelled"):
        body = vouchers.batch_request(
            count=client.chance.randrange(20, 60), notify=f"{client.secret('mail')}@example.com"
        )
        body |= {"one_time": True} if kind == "one_time" else {}
        headers = admin | {"Idempotency-Key": unique("batch")}
        batch_id = client.call("POST", vouchers.PATH, 202, json=body, headers=headers).json()["batch_id"]
        path = f"{vouchers.PATH}/{batch_id}"
        if kind == "cancelled":
            client.call("POST", f"{path}/cancellation", 200, headers=admin)
            client.promises.cancelled.add(batch_id)
            continue
        client.promises.batches[batch_id] = body["count"]
        client.promises.one_time |= {batch_id} if kind == "one_time" else set()
        batch = poll(client, path, admin)
        if batch["status"] != "COMPLETE":
            continue
        if kind == "one_time":
            follow_single_use_link(client, path, admin)
        else:
            pay_with_vouchers(client, [client.chance.choice(download_codes(client, batch))])


def poll(client: Client, path: str, admin: dict[str, str], seconds: float = 30) -> dict[str, Any]:
    """Poll ``path`` until its response has no ``Retry-After`` or ``seconds`` elapse. Returns the last response."""
    deadline = time.monotonic() + seconds
    while True:
        response = client.call("GET", path, 200, headers=admin)
        if "retry-after" not in response.headers or time.monotonic() > deadline:
            return response.json()
        time.sleep(PAUSE_SECONDS / 4)


def follow_single_use_link(client: Client, path: str, admin: dict[str, str]) -> None:
    """Follow a single-use link; after a lost response the shop issues another link."""
    while True:
        link = client.call("GET", path, 200, headers=admin).json()["download"]["url"]
        url = httpx.URL(link)
        client.promises.add_secrets(url.path.rpartition("/")[2])
        response = client.call("GET", url.raw_path.decode(), 303, 404)
        if response.status_code == 303:
            client.promises.add_signed_link(response.headers["location"])
            return


def upload_feeds(client: Client) -> None:
    """Upload feeds of new products (some malformed or rejected), prices and stock."""
    admin, series = client.admin(), unique("S").upper()
    odd = client.chance.sample(range(FEED_RECORDS), 4)
    for feed_type in ("product", "pricing", "sku"):
        records = list(feed_samples.records(feed_type, FEED_RECORDS, series=series))
        malformed, refused = (set(odd[:2]), set(odd[2:])) if feed_type == "product" else (set(), set())
        if feed_type != "product":
            records = [record for number, record in enumerate(records) if number not in odd]
        lines = [feed_line(record, number in malformed, number in refused) for number, record in enumerate(records)]
        valid = len(records) - len(malformed) - len(refused)
        client.promises.expected_dead_letters.update(records[number]["sku"] for number in refused)
        response = client.call("POST", f"/feeds/v1/feeds/{feed_type}", 202, headers=admin).json()
        client.promises.add_signed_link(response["upload"]["url"])
        upload(response["upload"], b"\n".join(lines))
        client.promises.feeds.append(Feed(feed_type, response["feed_id"], valid, len(malformed), len(refused)))
        client.call("GET", f"/feeds/v1/feeds/{feed_type}/{response['feed_id']}", 200, headers=admin)


def feed_line(record: dict[str, Any], malformed: bool = False, refused: bool = False) -> bytes:
    """A record as a line; the platform refuses a ``refused`` one, which the feed's schema allows."""
    text = json.dumps(record | (feed_samples.REFUSED if refused else {}))
    return (text[:-2] if malformed else text).encode()


def upload(target: dict[str, Any], content: bytes) -> None:
    """Upload ``content`` to a signed link."""
    response = httpx.request(target["method"], target["url"], content=content, headers=target["headers"], timeout=300)
    if response.status_code != 200:
        raise Refused(f"a feed could not be put: {response.status_code}")


def produce(client: Client) -> None:
    """Send a single event and a batch; retries events that the stream rejects."""
    name = unique("campaign")
    key = {"x-api-key": client.shop.samples["ingest_api_key"]}
    client.promises.add_secrets(key["x-api-key"])
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    events: list[dict[str, Any]] = [
        {"event_id": f"{name}-{n}", "type": name, "occurred_at": now, "data": {"number": n}} for n in range(EVENTS)
    ]
    accepted = client.promises.events.setdefault(name, set())
    client.call("POST", "/ingestion/v1/events", 202, json=events[0], headers=key)
    accepted.add(events[0]["event_id"])
    pending = events[1:]
    while pending:
        response = client.call("POST", "/ingestion/v1/events/batch", 202, 207, json={"events": pending}, headers=key)
        failed = {result["index"] for result in response.json()["results"] if "error_code" in result}
        accepted.update(event["event_id"] for n, event in enumerate(pending) if n not in failed)
        pending = [pending[n] for n in sorted(failed)]


def publish_sitemaps(client: Client) -> None:
    """Run sitemaps for a new product: first as a dry run, then as a release."""
    admin, sku = client.admin(), unique("SKU")
    product = {"sku": sku, "name": "Campaign Tower", "unit_price": 1999, "currency": "EUR", "version": 1}
    client.call("PUT", f"/partners/v1/commerce/products/{sku}", 200, 201, json=product | {"available": False})
    for dry_run in (True, False):
        headers = admin | {"Idempotency-Key": unique("run")}
        response = client.call("POST", "/sitemaps/v1/sitemaps/runs", 202, json={"dry_run": dry_run}, headers=headers)
        client.promises.sitemaps.append(response.headers["location"])
        poll(client, response.headers["location"], admin)


def view_live_map(client: Client) -> None:
    """View the live map."""
    admin = client.admin()
    for path in ("/operations/v1/architecture", "/operations/v1/events"):
        client.call("GET", path, 200, headers=admin)


def update_from_platform(client: Client) -> None:
    """Send updates about the commerce platform's own orders to its queue."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    for _ in range(3):
        customer_id, number = (
            unique("C"),
            client.call("POST", f"{SEQUENCES}/order/next", 200, sign=True).json()["formatted"],
        )
        order = {
            "order_number": number,
            "customer_id": customer_id,
            "status": "Complete",
            # A product that the platform does not list, so it counts no stock of it.
            "lines": [{"sku": "PLATFORM-1", "quantity": 1, "unit_price": 3999}],
            "totals": {"amount": 3999, "currency": "EUR"},
            "ship_to": ADDRESS,
        }
        client.call("PUT", f"/partners/v1/commerce/orders/{number}", 200, 201, json=order)
        update = {"kind": "order", "id": number, "update": "complete", "customer_id": customer_id, "occurred_at": now}
        client.shop.aws("sqs").send_message(
            QueueUrl=client.shop.address("event-relay", "queue-url"),
            MessageBody=json.dumps(update),
            MessageGroupId=number,
        )
        client.promises.updates[customer_id] = number


def run_schedules(client: Client) -> None:
    """Invoke all scheduled functions now, including those already running."""
    for function in list_scheduled_functions():
        client.shop.aws("lambda").invoke(FunctionName=function, InvocationType="Event", Payload=b"{}")


def list_scheduled_functions() -> list[str]:
    """Names of functions that rules and schedules invoke."""
    deployed = list(resources())
    functions = {each["physical_id"] for each in deployed if each["type"] == "AWS::Lambda::Function"}
    targeted = set()
    for resource in deployed:
        properties = resource["properties"]
        if resource["type"] in ("AWS::Events::Rule", "AWS::Scheduler::Schedule") and "ScheduleExpression" in properties:
            targets = properties.get("Targets") or [properties.get("Target", {})]
            targeted |= {str(target.get("Arn", "")).partition(":function:")[2].partition(":")[0] for target in targets}
    return sorted(targeted & functions)


Journey = Callable[[Client], Any]
JOURNEYS: tuple[Journey, ...] = (
    buy_as_guest,
    buy_as_member,
    issue_vouchers,
    redeem_vouchers,
    upload_feeds,
    produce,
    update_from_platform,
    run_schedules,
    publish_sitemaps,
    view_live_map,
    follow_old_links,
)


def walk(
    shop: Shop, promises: Promises, seed: int, times: int = 1, clients: int = 8, journeys: Iterable[Journey] = JOURNEYS
) -> None:
    """Run every journey ``times`` times, concurrently, in the seed's order. Failures are added to ``promises.failures``."""
    turns = [(journey, number) for journey in journeys for number in range(times)]
    random.Random(seed).shuffle(turns)

    def go(turn: tuple[Journey, int]) -> None:
        journey, number = turn
        try:
            journey(Client(shop, promises, f"{seed}/{journey.__name__}/{number}"))
        except Exception as error:
            promises.failures.append(f"{journey.__name__} {number}: {type(error).__name__}: {error}"[:600])

    with ThreadPoolExecutor(clients) as people:
        list(people.map(go, turns))

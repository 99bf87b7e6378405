"""The operations of each set piece that ``bench.measurement`` runs in the shop, and their recorded usage."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from local.settings import FRONT_DOOR
from model.settings import STAGE
from tools import accounts, feed_samples, feeds
from tools.client import Shop, eventually, new_basket_id, unique
from tools.drivers.products import sell

FILE = Path(__file__).with_suffix(".json")
VOUCHERS, RECORDS, EVENTS = 5_000, 100, 100
_PREFIX = f"setpieces-{STAGE}-"
_ADDRESS = {"name": "Ada Sample", "street": "Brick Lane 1", "city": "Berlin", "postal_code": "10115", "country": "DE"}


@dataclass
class World:
    """The shop, sessions and data that operations use."""

    shop: Shop
    admin: dict[str, str]
    customer: dict[str, str]
    sku: str
    basket: str
    quotation: dict[str, Any] = field(default_factory=dict)
    order: str = ""
    voucher: str = ""

    @classmethod
    def of(cls, shop: Shop) -> "World":
        world = cls(shop, feeds.admin_session(shop), {}, sell(shop, "COST")["sku"], "")
        world.customer = world.session(shop.samples["customer"])
        return world

    def fill_basket(self) -> None:
        """A new basket with one item: that of an order is gone."""
        self.basket = new_basket_id("cost")
        self.call("POST", f"/basket/v1/baskets/{self.basket}/items", 201, json={"sku": self.sku, "quantity": 1})

    def call(self, method: str, path: str, status: int, **options: Any) -> httpx.Response:
        response = self.shop.call(method, path, **options)
        assert response.status_code == status, f"{method} {path}: {response.status_code} {response.text[:300]}"
        return response

    def session(self, person: dict[str, str]) -> dict[str, str]:
        credentials = {name: person[name] for name in ("email", "password")}
        token = self.call("POST", "/login/v1/sessions", 201, json=credentials).json()["session_token"]
        return {"Authorization": f"Bearer {token}"}

    def item(self, service: str, name: str, **key: str) -> dict[str, Any]:
        """An item, read by the account's root, whose reads are not counted."""
        table = self.shop.address(service, name)
        item_key = {attribute: {"S": value} for attribute, value in key.items()}
        return self.shop.aws("dynamodb").get_item(TableName=table, Key=item_key).get("Item", {})


@dataclass(frozen=True)
class Operation:
    """``of`` is the number of items that one ``run`` processes. With a ``tail``, work continues after the response.

    ``prepare`` is called before ``run`` and not measured.
    """

    name: str
    service: str
    run: Callable[[World], Any]
    of: int = 1
    tail: bool = False
    prepare: Callable[[World], Any] = lambda world: None


def _sign_up(world: World) -> None:
    email = f"{unique('cost')}@example.com"
    customer_id = accounts.sign_up(world.shop, email, unique("cost-password"), "Ada Sample")
    legacy = {"source_version": 1, "phone": "+49 30 1234", "addresses": [{"city": "Berlin", "country": "DE"}]}
    world.call("PUT", f"/partners/v1/commerce/legacy/customers/{customer_id}", 201, json=legacy)


def _view_basket(world: World) -> None:
    world.call("GET", f"/basket/v1/baskets/{world.basket}", 200)


def _quote(world: World) -> None:
    ship_to = {name: _ADDRESS[name] for name in ("country", "postal_code")}
    body = {"basket_id": world.basket, "ship_to": ship_to}
    world.quotation = world.call("POST", "/orders/v1/quotations", 200, json=body).json()


def _fill_and_quote(world: World) -> None:
    world.fill_basket()
    _quote(world)


def _place_order(world: World) -> None:
    body = {
        "quotation_id": world.quotation["quotation_id"],
        "payment_token": "tok_ok",
        "ship_to": _ADDRESS,
    }
    headers = world.customer | {"Idempotency-Key": unique("cost")}
    world.order = world.call("POST", "/orders/v1/orders", 202, json=body, headers=headers).json()["order_number"]

    def complete() -> bool:
        item = world.item("orders", "table-name", order_number=world.order)
        return item.get("backend_status", {}).get("S") == "Sent to fulfillment"

    eventually(complete, timeout=60, every=0.3)


def _relay(world: World) -> None:
    name = world.shop.samples["customer"]["customer_id"]
    update = {"kind": "customer", "id": name, "update": "login", "occurred_at": datetime.now(UTC).isoformat()}
    queue = world.shop.address("event-relay", "queue-url")
    world.shop.aws("sqs").send_message(QueueUrl=queue, MessageBody=json.dumps(update), MessageGroupId=name)
    functions = world.shop.aws("lambda")

    def relayed() -> bool:
        try:
            functions.invoke(FunctionName=f"{_PREFIX}event-relay-relay-events")
        except functions.exceptions.TooManyRequestsException:
            return False
        return True

    eventually(relayed, timeout=60, every=1)


def _feed(world: World) -> None:
    records = feed_samples.records("product", RECORDS, version=int(time.time()))
    feeds.upload(world.shop, world.admin, "product", feed_samples.as_json(records))


def _event(number: int = 0) -> dict[str, Any]:
    return {
        "event_id": unique(f"cost-{number}"),
        "type": "cost",
        "occurred_at": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "data": {"path": "/products/SP-10001", "referrer": "/"},
    }


def _events(world: World) -> None:
    key = {"x-api-key": world.shop.samples["ingest_api_key"]}
    body = {"events": [_event(number) for number in range(EVENTS)]}
    world.call("POST", "/ingestion/v1/events/batch", 202, json=body, headers=key)


def _vouchers(world: World) -> None:
    today = datetime.now(UTC).date()
    details = {"count": VOUCHERS, "campaign": "Cost", "value": 1000, "currency": "EUR", "notify": "cost@example.com"}
    details |= {"valid_from": str(today), "valid_to": str(today.replace(year=today.year + 1))}
    path = "/vouchers/v1/voucher-batches"
    batch = world.call("POST", path, 202, json=details, headers=world.admin).json()["batch_id"]

    def complete() -> bool:
        item = world.item("vouchers", "batches-table-name", batch_id=batch)
        return item.get("status", {}).get("S") == "COMPLETE"

    eventually(complete, timeout=120, every=0.3)
    bucket = world.shop.address("vouchers", "bucket-name")
    files = world.shop.aws("s3").list_objects_v2(Bucket=bucket, Prefix=f"release/{batch}")["Contents"]
    body = world.shop.aws("s3").get_object(Bucket=bucket, Key=files[0]["Key"])["Body"]
    world.voucher = next(body.iter_lines()).decode()


def _redeem(world: World) -> None:
    path = f"/vouchers/v1/vouchers/{world.voucher}/redemptions"
    world.call("POST", path, 201, json={"order_number": world.order}, headers=world.customer)


def _sitemaps(world: World) -> None:
    world.call("POST", "/sitemaps/v1/sitemaps/runs", 202, json={"force": True}, headers=world.admin)


def _tax(world: World) -> None:
    line = {"sku": world.sku, "quantity": 1, "unit_price": 1999}
    ship_to = {"country": "DE", "postal_code": "50667"}
    request = {"order_number": "T100000001", "currency": "EUR", "lines": [line], "ship_to": ship_to}
    world.call("POST", "/tax/v1/quotations", 200, json=request, sign=True)


def _profile(world: World) -> None:
    customer = world.shop.samples["customer"]["customer_id"]
    world.call("GET", f"/customers/v1/customers/{customer}/profile", 200, headers=world.customer)


def _page(world: World) -> None:
    assert httpx.get(f"{FRONT_DOOR}/products/{world.sku}", timeout=30).status_code == 200


OPERATIONS = (
    Operation("list products", "catalog", lambda world: world.call("GET", "/catalog/v1/products?query=sp-", 200)),
    Operation("view a product", "catalog", lambda world: world.call("GET", f"/catalog/v1/products/{world.sku}", 200)),
    Operation("view a page", "storefront", _page),
    Operation("follow a redirect", "redirects", lambda world: world.call("GET", "/p/10001-coral-beacon", 308)),
    Operation(
        "add to a basket",
        "basket",
        lambda world: world.call(
            "POST", f"/basket/v1/baskets/{new_basket_id('cost')}/items", 201, json={"sku": world.sku, "quantity": 1}
        ),
    ),
    Operation("view a basket", "basket", _view_basket, prepare=World.fill_basket),
    Operation(
        "issue a number",
        "sequences",
        lambda world: world.call("POST", "/sequences/v1/sequences/order/next", 200, sign=True),
    ),
    Operation(
        "lease a thousand numbers",
        "sequences",
        lambda world: world.call("POST", "/sequences/v1/sequences/order/lease", 200, json={"count": 1000}, sign=True),
    ),
    Operation("quote tax", "tax", _tax),
    Operation("sign in", "login", lambda world: world.session(world.shop.samples["customer"]), tail=True),
    Operation("view a profile", "customers", _profile),
    Operation("sign up", "customers", _sign_up, tail=True),
    Operation("quote an order", "orders", _quote, prepare=World.fill_basket),
    Operation("place an order", "orders", _place_order, tail=True, prepare=_fill_and_quote),
    Operation(
        "poll an order",
        "orders",
        lambda world: world.call("GET", f"/orders/v1/orders/{world.order}/status", 200, headers=world.customer),
    ),
    Operation("relay an update", "event-relay", _relay, tail=True),
    Operation("process feed records", "feed-pipeline", _feed, of=RECORDS, tail=True),
    Operation("ingest events", "ingestion", _events, of=EVENTS, tail=True),
    Operation("generate vouchers", "vouchers", _vouchers, of=VOUCHERS, tail=True),
    Operation(
        "look up a voucher", "vouchers", lambda world: world.call("GET", f"/vouchers/v1/vouchers/{world.voucher}", 200)
    ),
    Operation("redeem a voucher", "vouchers", _redeem),
    Operation("generate the sitemaps", "sitemaps", _sitemaps, tail=True),
    Operation(
        "view the live map",
        "operations",
        lambda world: world.call("GET", "/operations/v1/architecture", 200, headers=world.admin),
    ),
)


def write(document: dict[str, Any]) -> None:
    FILE.write_text(json.dumps(document, indent=1) + "\n")


def table() -> dict[str, Any]:
    """The recorded measurement."""
    return json.loads(FILE.read_text())

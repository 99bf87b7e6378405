"""Purchases of a client: products, baskets, quotations, orders and vouchers. It records what the shop has promised."""

import time
from collections.abc import Iterable
from typing import Any

import httpx

from tests.resilience.retrying_client import PATIENCE_SECONDS, PAUSE_SECONDS, Client, Refused
from tools.client import new_basket_id, unique
from tools.drivers.promises import Order

ADDRESS = {"city": "Berlin", "postal_code": "10115", "country": "DE"}
DESTINATION = {"country": "DE", "postal_code": "10115"}
ORDERS, QUOTATIONS = "/orders/v1/orders", "/orders/v1/quotations"
# How often a client confirms a changed quotation of one basket.
CONFIRMATIONS = 20


def browse(client: Client) -> dict[str, Any]:
    """Browse pages and the catalogue. Returns an available product."""
    for page in ("/", "/products"):
        client.call("GET", page, 200)
    product = client.chance.choice(list_products(client))
    client.call("GET", f"/products/{product['sku']}", 200)
    return client.call("GET", f"/catalog/v1/products/{product['sku']}", 200).json()


def list_products(client: Client) -> list[dict[str, Any]]:
    """The available sample products of the catalogue's first page."""
    items = client.call("GET", "/catalog/v1/products?query=sp-", 200).json()["items"]
    return [item for item in items if item["available"]]


def watch_stock(client: Client, sku: str) -> None:
    """Have the invariants check the stock of a product, from its counts before the run's first order of it."""
    if sku not in client.promises.stock:
        counts = client.call("GET", f"/partners/v1/commerce/stock/{sku}", 200).json()
        client.promises.stock.setdefault(sku, counts)


def fill_basket(client: Client, product: dict[str, Any]) -> str:
    """Create a basket with two of a product: added twice under one key, removed, then added twice."""
    basket, sku = new_basket_id("basket"), product["sku"]
    items = f"/basket/v1/baskets/{basket}/items"
    one = {"json": {"sku": sku, "quantity": 1}}
    first = {"headers": {"Idempotency-Key": unique("add")}} | one
    before = client.call("POST", items, 201, **first)
    if client.call("POST", items, 201, **first).json() != before.json():
        raise Refused(f"the same key was answered differently for {basket}")
    client.call("PATCH", f"{items}/{sku}", 200, json={"quantity": 3})
    # 404 if the response to the first request was lost.
    client.call("DELETE", f"{items}/{sku}", 204, 404)
    client.call("POST", items, 201, headers={"Idempotency-Key": unique("add")}, **one)
    client.call("POST", items, 200, headers={"Idempotency-Key": unique("add")}, **one)
    client.call("GET", f"/basket/v1/baskets/{basket}", 200)
    client.promises.baskets[basket] = {sku: 2}
    watch_stock(client, sku)
    return basket


def add_lines(client: Client, lines: dict[str, int]) -> str:
    """A basket of these quantities by SKU. Raises ``Unavailable`` if one of them cannot be bought."""
    basket = new_basket_id("basket")
    for sku, quantity in lines.items():
        body, headers = {"sku": sku, "quantity": quantity}, {"Idempotency-Key": unique("add")}
        response = client.call("POST", f"/basket/v1/baskets/{basket}/items", 200, 201, 409, json=body, headers=headers)
        if response.status_code == 409:
            raise Unavailable(f"POST item returned 409 {response.json()}")
    client.promises.baskets[basket] = dict(lines)
    return basket


def place_order(
    client: Client,
    basket: str,
    payment_token: str = "tok_ok",
    customer_id: str = "guest",
    session: dict[str, str] | None = None,
    twice: bool = False,
    may_fail_for: Iterable[str] = (),
) -> Order:
    """Place an order for a basket without a quotation; ``twice`` repeats the request with the same key."""
    session = session or {}
    headers = session | {"Idempotency-Key": unique("order")}
    body = {"basket_id": basket, "customer_id": customer_id, "payment_token": payment_token, "ship_to": address(client)}
    number = client.call("POST", ORDERS, 202, json=body, headers=headers).json()["order_number"]
    order = Order(
        number, payment_token, session, basket, client.promises.baskets[basket], may_fail_for=frozenset(may_fail_for)
    )
    record_order(client, order)
    repeated = client.call("POST", ORDERS, 202, json=body, headers=headers) if twice else None
    if repeated and repeated.json()["order_number"] != number:
        raise Refused(f"the same key gave two orders: {number}, {repeated.json()['order_number']}")
    return order


def quote(client: Client, basket: str, voucher_codes: Iterable[str] = (), **changes: Any) -> "Quotation":
    """The quotation of a basket with the vouchers that can be used. Raises ``Unavailable`` if a line cannot be bought."""
    codes = list(voucher_codes)
    client.promises.add_secrets(*codes)
    while True:
        body = {"basket_id": basket, "ship_to": DESTINATION, "voucher_codes": codes} | changes
        response = call_for_basket(client, QUOTATIONS, 200, 422, json=body)
        if response.status_code == 200:
            return Quotation(response.json(), codes)
        problem = response.json()
        pointers = [error["pointer"] for error in problem.get("errors", [])]
        unusable = {int(pointer.rpartition("/")[2]) for pointer in pointers if pointer.startswith("/voucher_codes/")}
        if not unusable:
            raise Unavailable(f"{problem['code']} {pointers}")
        codes = [code for position, code in enumerate(codes) if position not in unusable]


def call_for_basket(client: Client, path: str, *expected: int, **options: Any) -> httpx.Response:
    """POST a request about a basket; retries while the basket's last order, which has failed, is being closed."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        response = client.call("POST", path, *expected, 409, **options)
        is_ordered = response.status_code == 409 and response.json()["code"] == "BASKET_ORDERED"
        if not is_ordered and response.status_code in expected:
            return response
        if not is_ordered or time.monotonic() > deadline:
            raise Refused(f"POST {path} returned {response.status_code}: {response.text[:300]}")
        time.sleep(PAUSE_SECONDS / 4)


class Unavailable(Refused):
    """A line of a basket cannot be bought."""


class Quotation:
    """A quotation and the voucher codes that it was requested with; ``discounts`` has the accepted ones."""

    def __init__(self, view: dict[str, Any], codes: list[str]) -> None:
        self.view, self.codes = view, codes

    @property
    def discounts(self) -> dict[str, int]:
        """The discount by voucher code."""
        by_suffix = {code[-4:]: code for code in self.codes}
        return {by_suffix[each["code_suffix"]]: each["amount"] for each in self.view["discounts"]}


def order_quotation(
    client: Client,
    quotation: Quotation,
    payment_token: str = "tok_ok",
    session: dict[str, str] | None = None,
    twice: bool = False,
    may_fail_for: Iterable[str] = (),
) -> Order:
    """Order a quotation, each time a changed one is the answer, that one. Raises ``Unavailable``."""
    session = session or {}
    for _ in range(CONFIRMATIONS):
        view = quotation.view
        body = {"quotation_id": view["quotation_id"], "ship_to": address(client)}
        body |= {} if session else {"email": f"{client.secret('mail')}@example.com"}
        body |= {"payment_token": payment_token} if view["total"] else {}
        headers = session | {"Idempotency-Key": unique("order")}
        response = call_for_basket(client, ORDERS, 202, 409, json=body, headers=headers)
        answer = response.json()
        if response.status_code == 202:
            repeated = client.call("POST", ORDERS, 202, json=body, headers=headers).json() if twice else answer
            if repeated["order_number"] != answer["order_number"]:
                raise Refused(f"the same key gave two orders: {answer}, {repeated}")
            break
        if answer["code"] != "QUOTATION_CHANGED":
            raise Refused(f"POST {ORDERS} returned 409 {answer}")
        quotation = Quotation(answer["quotation"], quotation.codes)
        if problems := quotation.view.get("problems"):
            raise Unavailable(str(problems))
    else:
        raise Refused(f"the quotation of basket {quotation.view['basket_id']} changed {CONFIRMATIONS} times")
    lines = {line["sku"]: line["quantity"] for line in view["lines"]}
    reasons = frozenset(may_fail_for) | ({"VOUCHER_UNAVAILABLE"} if quotation.discounts else frozenset())
    order = Order(
        answer["order_number"],
        payment_token,
        session,
        view["basket_id"],
        lines,
        view["total"],
        quotation.discounts,
        reasons,
    )
    record_order(client, order)
    return order


def record_order(client: Client, order: Order) -> None:
    client.promises.orders.append(order)
    client.promises.add_secrets(order.payment_token)
    request_status(client, order)


def address(client: Client) -> dict[str, str]:
    """An address whose name and street no log may contain."""
    return ADDRESS | {"name": client.secret("Name"), "street": client.secret("Street")}


def request_status(client: Client, order: Order) -> None:
    """Request and record the status of an order once."""
    response = client.call("GET", f"{ORDERS}/{order.number}/status", 200, 404, headers=order.session)
    if response.status_code == 404:
        order.lost = True
    else:
        order.record(response.json())


def wait_for_order(client: Client, order: Order, seconds: float = 30) -> None:
    """Poll the status until the order ends or ``seconds`` elapse."""
    deadline = time.monotonic() + seconds
    while not order.ended and not order.lost and time.monotonic() < deadline:
        time.sleep(PAUSE_SECONDS / 4)
        request_status(client, order)


def watch_voucher(client: Client, code: str) -> None:
    """Have the invariants check a voucher."""
    client.promises.add_secrets(code)
    client.promises.vouchers[code] = client.call("GET", f"/vouchers/v1/vouchers/{code}", 200).json()["value"]


def redeem(client: Client, code: str, orders: Iterable[Order]) -> None:
    """Redeem a voucher through the API for the first order that is Complete, and unsuccessfully for the others."""
    watch_voucher(client, code)
    path = f"/vouchers/v1/vouchers/{code}/redemptions"
    for order in orders:
        if not order.ended or order.outcome != "Complete":
            continue
        headers = order.session | {"Idempotency-Key": unique("redeem")}
        response = client.call("POST", path, 200, 201, 409, json={"order_number": order.number}, headers=headers)
        if response.status_code == 409:
            continue
        if client.promises.redemptions.setdefault(code, order.number) != order.number:
            raise Refused(f"a voucher was redeemed for {client.promises.redemptions[code]} and for {order.number}")

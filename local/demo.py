"""``make demo``: one customer's walk through every set piece, over the shop's own addresses, with what happened.

Each step is a function that does its part over HTTP, checks the answer, and returns one line for the reader. The first step
that does not hold ends the demo with exit code 1 and the reason.
"""

import time
from collections.abc import Callable
from typing import Any

import httpx
from rich.console import Console

from local.shop import Shop, eventually, unique

console = Console(highlight=False)


class Journey:
    """What the customer has in hand as the demo goes on."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.basket = unique("demo")
        self.product: dict[str, Any] = {}
        self.session: dict[str, Any] = {}

    def call(self, method: str, path: str, expected: int, **options: Any) -> Any:
        """Call and check the status; the decoded body."""
        answer = self.shop.call(method, path, **options)
        if answer.status_code != expected:
            raise AssertionError(
                f"{method} {path} answered {answer.status_code}, expected {expected}: {answer.text[:500]}"
            )
        return answer.json() if answer.content else None


def browse(journey: Journey) -> str:
    items = journey.call("GET", "/catalog/v1/products?query=sp-", 200)["items"]
    journey.product = next(item for item in items if item["available"])
    detail = journey.call("GET", f"/catalog/v1/products/{journey.product['sku']}", 200)
    return f"{len(items)} products found on the first page; looks at {detail['name']} ({money(detail)})"


def fill_basket(journey: Journey) -> str:
    path, sku = f"/basket/v1/baskets/{journey.basket}", journey.product["sku"]
    headers = {"Idempotency-Key": unique("add")}
    first = journey.call("POST", f"{path}/items", 201, json={"sku": sku, "quantity": 1}, headers=headers)
    again = journey.call("POST", f"{path}/items", 201, json={"sku": sku, "quantity": 1}, headers=headers)
    if first != again:
        raise AssertionError("the repeated request was not answered the same")
    basket = journey.call("GET", path, 200)
    return f"adds one, the impatient second click changes nothing: {basket['totals']}"


def change_basket(journey: Journey) -> str:
    path, sku = f"/basket/v1/baskets/{journey.basket}", journey.product["sku"]
    journey.call("PATCH", f"{path}/items/{sku}", 200, json={"quantity": 2})
    journey.call("DELETE", f"{path}/items/{sku}", 204)
    journey.call("POST", f"{path}/items", 201, json={"sku": sku, "quantity": 1})
    return "makes it two, changes their mind, takes one after all"


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
    return f"the commerce platform is down: 503 after {time.monotonic() - started:.1f} s, the basket is untouched"


def number(journey: Journey) -> str:
    value = journey.call("POST", "/sequences/v1/sequences/order/next", 200, sign=True)
    lease = journey.call("POST", "/sequences/v1/sequences/voucher/lease", 200, json={"count": 1000}, sign=True)
    return (
        f"order number {value['formatted']} and a lease of {lease['count']} voucher numbers, without a single function"
    )


def sign_in(journey: Journey) -> str:
    credentials = {name: journey.shop.samples["customer"][name] for name in ("email", "password")}
    journey.session = journey.call("POST", "/login/v1/sessions", 201, json=credentials)
    return f"customer {journey.session['customer_id']} until {journey.session['expires_at'][:16]}"


def order(journey: Journey) -> str:
    number, shown = _order(journey, "tok_ok")
    if shown["status"] != "Complete":
        raise AssertionError(f"order {number} ended as {shown}")
    shipments = eventually(lambda: journey.shop.ledger("shipments", number), timeout=60)
    charges = journey.shop.ledger("charges", number)
    amount = money({"unit_price": charges[0]["amount"], "currency": charges[0]["currency"]})
    return f"{number} is Complete: charged {amount} {times(charges)}, shipped {times(shipments)}"


def declined_card(journey: Journey) -> str:
    number, shown = _order(journey, "tok_declined")
    if (shown["status"], shown.get("reason_code")) != ("Failed", "PAYMENT_DECLINED"):
        raise AssertionError(f"order {number} ended as {shown}")
    return f"{number} is Failed: {shown['reason_code']}, nothing shipped"


def _order(journey: Journey, payment_token: str) -> tuple[str, dict[str, Any]]:
    """(order number, its last status); polls as ``Retry-After`` advises."""
    session = {"Authorization": f"Bearer {journey.session['session_token']}"}
    sent = {
        "basket_id": journey.basket,
        "customer_id": journey.session["customer_id"],
        "payment_token": payment_token,
        "ship_to": {"name": "Ada Sample", "city": "Berlin", "postal_code": "10115", "country": "DE"},
    }
    headers = session | {"Idempotency-Key": unique("order")}
    number = journey.call("POST", "/orders/v1/orders", 202, json=sent, headers=headers)["order_number"]
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        answer = journey.shop.call("GET", f"/orders/v1/orders/{number}/status", headers=session)
        if answer.status_code != 200:
            raise AssertionError(f"the status of {number} was answered {answer.status_code}: {answer.text[:300]}")
        if "retry-after" not in answer.headers:
            return number, answer.json()
        time.sleep(int(answer.headers["retry-after"]))
    raise AssertionError(f"order {number} is still in progress after two minutes")


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
    ("Login", sign_in),
    ("Order", order),
    ("Order: declined", declined_card),
)


def main() -> None:
    """Run every step in order."""
    journey = Journey(Shop.from_environment())
    for title, walk in STEPS:
        with console.status(title):
            try:
                line = walk(journey)
            except (AssertionError, LookupError, StopIteration, httpx.HTTPError) as failure:
                console.print(f"[red]failed[/] {title}: {failure or type(failure).__name__}", soft_wrap=True)
                raise SystemExit(1) from failure
        console.print(f"[green]ok[/] [bold]{title:16}[/] {line}", soft_wrap=True)
    console.print(f"All {len(STEPS)} steps passed.")


if __name__ == "__main__":
    main()

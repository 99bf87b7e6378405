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
        self.profile = ""

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


def sign_up(journey: Journey) -> str:
    new = {"email": f"{unique('demo')}@example.com", "password": unique("demo"), "name": "Ada Sample"}
    customer_id = journey.call("POST", "/customers/v1/customers", 201, json=new)["customer_id"]
    # What the old site has of her. The migration asks for it three times before it believes that there is nothing.
    legacy = {"source_version": 1, "phone": "+49 30 1234", "addresses": [{"city": "Berlin", "country": "DE"}]}
    journey.call("PUT", f"/partners/v1/commerce/legacy/customers/{customer_id}", 201, json=legacy)
    journey.session = _session(journey, new)
    journey.profile = f"/customers/v1/customers/{customer_id}"
    return f"customer {customer_id}, signed in until {journey.session['expires_at'][:16]}"


def migrate(journey: Journey) -> str:
    admin = _bearer(_session(journey, journey.shop.samples["admin"]))
    path = f"/customer-migration/v1/migrations/{journey.session['customer_id']}"

    def ended() -> dict[str, Any]:
        answer = journey.shop.call("GET", path, headers=admin)
        return answer.json() if answer.status_code == 200 and answer.json()["status"] != "PENDING" else {}

    migration = eventually(ended, timeout=60)
    if migration["status"] != "MIGRATED":
        raise AssertionError(f"the migration ended as {migration}")
    return f"the old site's data came over by themselves, attempts: {migration['attempts']}"


def see_profile(journey: Journey) -> str:
    session = _bearer(journey.session)
    profile = journey.shop.call("GET", f"{journey.profile}/profile", headers=session)
    if profile.status_code != 200 or profile.json().get("addresses", [{}])[0].get("city") != "Berlin":
        raise AssertionError(f"GET profile answered {profile.status_code}: {profile.text[:300]}")
    headers = session | {"If-Match": profile.headers["ETag"]}
    journey.call("PATCH", f"{journey.profile}/profile", 200, json={"name": "Ada Example"}, headers=headers)
    journey.call("PATCH", f"{journey.profile}/profile", 412, json={"name": "Ada Late"}, headers=headers)
    return "address from the old site; renamed, and the change made from yesterday's version is refused"


def see_rewards(journey: Journey) -> str:
    rewards = journey.call("GET", f"{journey.profile}/rewards", 200, headers=_bearer(journey.session))
    other = f"/customers/v1/customers/{journey.shop.samples['customer']['customer_id']}/rewards"
    refusal = journey.call("GET", other, 403, headers=_bearer(journey.session))
    return f"{rewards['points']} points, {rewards['tier']}; somebody else's: {refusal['code']}"


def _session(journey: Journey, person: dict[str, str]) -> dict[str, Any]:
    credentials = {name: person[name] for name in ("email", "password")}
    session: dict[str, Any] = journey.call("POST", "/login/v1/sessions", 201, json=credentials)
    return session


def _bearer(session: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {session['session_token']}"}


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
    session = _bearer(journey.session)
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
    ("Sign-up, login", sign_up),
    ("Migration", migrate),
    ("Profile", see_profile),
    ("Rewards", see_rewards),
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

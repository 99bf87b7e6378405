"""``make smoke``: whether customers' main paths work on a deployed stage. A minute, after each deployment of the pipeline.

    make smoke ENV=prod     SETPIECES_STAGE=prod python -m tools.cli smoke

Each step is a function that does its part over HTTP, checks the answers, and returns one line. Where the external systems are
simulators a new customer buys something. In prod the steps sign up no customer and place no order: they call the same services
with requests that must be refused. The steps need no more than the right to read the stage's addresses.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import click
import httpx
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console

from tools.accounts import mailed_token
from tools.client import Shop, patiently, unique
from tools.demo import Journey, money, place_order
from tools.failures import CommandFailed, requires_shop
from tools.stages import stage_parameters

console = Console(highlight=False)
PRODUCTION = "prod"
NO_IMAGE = "none"
CONFIRMATIONS = "/customers/v1/customers/confirmations"
# How long one request may be refused as too early: cold starts, and what a deployment has just replaced.
PATIENCE_SECONDS = 20.0


class StepFailed(Exception):
    """The message says which answer was not the expected one."""


def expect(journey: Journey, method: str, path: str, status: int, **options: Any) -> Any:
    """The decoded body of an answer with this status. Raises ``StepFailed``.

    Repeated while the answer is 429 or 5xx, as a client would: functions start cold after a deployment.
    """
    answer = patiently(lambda: journey.shop.call(method, path, **options), PATIENCE_SECONDS)
    if answer.status_code != status:
        raise StepFailed(f"{method} {path} returned {answer.status_code} instead of {status}: {answer.text[:300]}")
    return answer.json() if answer.content else {}


def browse(journey: Journey) -> str:
    products = expect(journey, "GET", "/catalog/v1/products", 200)["items"]
    available = [product for product in products if product["available"]]
    if not available:
        raise StepFailed("the catalogue has no product that can be bought")
    journey.product = expect(journey, "GET", f"/catalog/v1/products/{available[0]['sku']}", 200)
    return f"{len(products)} products; {journey.product['name']} costs {money(journey.product)}"


def fill_basket(journey: Journey) -> str:
    path, sku = f"/basket/v1/baskets/{journey.basket}", journey.product["sku"]
    headers = {"Idempotency-Key": unique("smoke")}
    expect(journey, "POST", f"{path}/items", 201, json={"sku": sku, "quantity": 1}, headers=headers)
    expect(journey, "PATCH", f"{path}/items/{sku}", 200, json={"quantity": 2})
    basket = expect(journey, "GET", path, 200)
    if basket["totals"]["quantity"] != 2:
        raise StepFailed(f"the basket should hold two items: {basket}")
    return f"holds {basket['totals']['quantity']}"


def refuse_strangers(journey: Journey) -> str:
    credentials = {"email": f"{journey.basket}@example.com", "password": unique("wrong")}
    expect(journey, "POST", "/login/v1/sessions", 401, json=credentials)
    for path in ("/orders/v1/orders", "/customers/v1/customers/C000000001/profile"):
        expect(journey, "GET", path, 401)
    return "unknown credentials, orders and profiles without a session are refused"


def request_sign_up(journey: Journey) -> str:
    """The mail with the link cannot be read here, so the sign-up is not confirmed, and the order that follows is a guest's."""
    refuse_made_up_confirmation(journey)
    ask_for_account(journey, f"{journey.basket}@example.com", {})
    return "a sign-up is accepted, an invented confirmation is refused"


def sign_up(journey: Journey) -> str:
    """A sign-up that is confirmed by its mail, which the local cloud keeps."""
    email, password = f"{journey.basket}@example.com", unique("smoke")
    refuse_made_up_confirmation(journey)
    token = mailed_token(journey.shop, email, partial(ask_for_account, journey, email))
    confirmed = expect(journey, "POST", CONFIRMATIONS, 201, json={"token": token, "password": password})
    credentials = {"email": email, "password": password}
    journey.session = expect(journey, "POST", "/login/v1/sessions", 201, json=credentials)
    session = {"Authorization": f"Bearer {journey.session['session_token']}"}
    path = f"/customers/v1/customers/{confirmed['customer_id']}/profile"
    expect(journey, "GET", path, 200, headers=session)
    return f"customer {confirmed['customer_id']} has a session and a profile"


def refuse_made_up_confirmation(journey: Journey) -> None:
    made_up = {"token": f"{'0' * 32}.{'A' * 43}", "password": unique("smoke")}
    expect(journey, "POST", CONFIRMATIONS, 404, json=made_up)


def ask_for_account(journey: Journey, email: str, headers: dict[str, str]) -> None:
    new = {"email": email, "name": "Ada Sample"}
    expect(journey, "POST", "/customers/v1/customers", 202, json=new, headers=headers)


def order(journey: Journey) -> str:
    number, shown = place_order(journey, "tok_ok")
    if shown["status"] != "Complete":
        raise StepFailed(f"order {number} ended as {shown}")
    return f"{number} is Complete"


def empty_basket(journey: Journey) -> str:
    path, sku = f"/basket/v1/baskets/{journey.basket}", journey.product["sku"]
    expect(journey, "DELETE", f"{path}/items/{sku}", 204)
    return "the line is removed"


def see_pages(journey: Journey) -> str:
    """The start page and the page of the product, through the CDN."""
    site = journey.shop.front_door
    if site is None:
        if stage_parameters(journey.shop.stage).get("StorefrontImageTag", NO_IMAGE) == NO_IMAGE:
            return "skipped: the stage has no image of the storefront yet (make image)"
        site = f"https://{journey.shop.address('edge', 'site-host')}"
    for path in ("/", f"/products/{journey.product['sku']}"):
        answer = patiently(partial(httpx.get, f"{site}{path}", timeout=30), PATIENCE_SECONDS)
        if answer.status_code != 200 or "text/html" not in answer.headers["content-type"]:
            raise StepFailed(f"GET {site}{path} returned {answer.status_code}")
    return "the start page and the page of the product"


Step = tuple[str, Callable[[Journey], str]]
EVERYWHERE: tuple[Step, ...] = (
    ("Catalog", browse),
    ("Pages", see_pages),
    ("Basket", fill_basket),
    ("Strangers", refuse_strangers),
)
LOCALLY: tuple[Step, ...] = (*EVERYWHERE, ("Sign-up, login", sign_up), ("Order", order))
WITH_SIMULATORS: tuple[Step, ...] = (*EVERYWHERE, ("Sign-up", request_sign_up), ("Order", order))
IN_PRODUCTION: tuple[Step, ...] = (*EVERYWHERE, ("Basket: empty", empty_basket))
BY_STAGE = {"local": LOCALLY, PRODUCTION: IN_PRODUCTION}


def alarms(shop: Shop) -> list[str]:
    """The alarms of the stage that are in ALARM, each with CloudWatch's reason; none if the credentials may not look."""
    try:
        pages = shop.aws("cloudwatch").get_paginator("describe_alarms").paginate(
            AlarmNamePrefix=f"setpieces-{shop.stage}-", StateValue="ALARM"
        )  # fmt: skip
        return [f"{alarm['AlarmName']}: {alarm['StateReason']}" for page in pages for alarm in page["MetricAlarms"]]
    except (BotoCoreError, ClientError):
        return []


@click.command(epilog="make smoke ENV=dev")
@requires_shop
def main() -> None:
    """Test customers' main paths on a deployed stage."""
    shop, started = Shop.from_environment(), time.monotonic()
    journey = Journey(shop)
    steps = BY_STAGE.get(shop.stage, WITH_SIMULATORS)
    for title, walk in steps:
        try:
            line = walk(journey)
        except (StepFailed, AssertionError, LookupError, httpx.HTTPError) as failure:
            reasons = [f"{title}: {failure or type(failure).__name__}", *(f"  alarm {alarm}" for alarm in alarms(shop))]
            raise CommandFailed("\n".join([f"Stage {shop.stage} does not work.", *reasons])) from failure
        console.print(f"[green]ok[/] [bold]{title:16}[/] {line}", soft_wrap=True)
    console.print(f"Stage {shop.stage} works: {len(steps)} steps in {time.monotonic() - started:.0f} s.")

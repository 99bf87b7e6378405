"""``make smoke``: a test of the customers' main paths on a deployed stage, of a minute, after each deployment.

    make smoke ENV=prod     SETPIECES_STAGE=prod python -m tools.cli smoke

A step is a function that sends requests, checks the responses and returns a line. Stages with simulators get a sign-up and an
order. In prod the steps create neither: they call the same services with requests that must be refused. The only permission
needed is to read the stage's addresses.
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
from tools.client import Shop, unique, with_retries
from tools.drivers.journey import Journey, bearer, place_order, price, quote
from tools.failures import CommandFailed, requires_shop
from tools.stages import stage_parameters

console = Console(highlight=False)
PRODUCTION = "prod"
NO_IMAGE = "none"
CONFIRMATIONS = "/customers/v1/customers/confirmations"
# Time for retries of one request: functions start cold after a deployment.
RETRY_SECONDS = 20.0


class StepFailed(Exception):
    """A response was not the expected one; the message names both."""


def expect(journey: Journey, method: str, path: str, status: int, **options: Any) -> Any:
    """The decoded body of a response with this status; retries 429 and 5xx. Raises ``StepFailed`` for another status."""
    return body_of(call(journey, method, path, **options), status, method, path)


def call(journey: Journey, method: str, path: str, **options: Any) -> httpx.Response:
    """The response to a request; retries 429 and 5xx."""
    return with_retries(lambda: journey.shop.call(method, path, **options), RETRY_SECONDS)


def body_of(response: httpx.Response, status: int, method: str, path: str) -> Any:
    """The decoded body. Raises ``StepFailed`` if the response has another status."""
    if response.status_code != status:
        raise StepFailed(f"{method} {path} returned {response.status_code} instead of {status}: {response.text[:300]}")
    return response.json() if response.content else {}


def browse(journey: Journey) -> str:
    products = expect(journey, "GET", "/catalog/v1/products", 200)["items"]
    available = [product for product in products if product["available"]]
    if not available:
        raise StepFailed("the catalogue has no available product")
    journey.products = available
    journey.product = expect(journey, "GET", f"/catalog/v1/products/{available[0]['sku']}", 200)
    return f"{len(products)} products; {journey.product['name']} costs {price(journey.product)}"


def fill_basket(journey: Journey) -> str:
    path = f"/basket/v1/baskets/{journey.basket}"
    # The catalogue's cache is up to a minute old: a product may be sold out meanwhile.
    for product in journey.products:
        line, headers = {"sku": product["sku"], "quantity": 3}, {"Idempotency-Key": unique("smoke")}
        response = call(journey, "POST", f"{path}/items", json=line, headers=headers)
        if response.status_code != 409 or response.json()["code"] != "INSUFFICIENT_STOCK":
            journey.product = product
            break
    body_of(response, 201, "POST", f"{path}/items")
    expect(journey, "PATCH", f"{path}/items/{journey.product['sku']}", 200, json={"quantity": 2})
    basket = expect(journey, "GET", path, 200)
    if basket["totals"]["quantity"] != 2:
        raise StepFailed(f"the basket should hold two items: {basket}")
    return f"holds {basket['totals']['quantity']} items"


def require_session(journey: Journey) -> str:
    credentials = {"email": f"{journey.basket}@example.com", "password": unique("wrong")}
    expect(journey, "POST", "/login/v1/sessions", 401, json=credentials)
    for path in ("/orders/v1/orders", "/customers/v1/customers/C000000001/profile"):
        expect(journey, "GET", path, 401)
    return "unknown credentials, orders and profiles without a session are refused"


def request_sign_up(journey: Journey) -> str:
    """Request a sign-up. Its mail cannot be read here, so it is not confirmed, and the order that follows is a guest's."""
    refuse_invalid_confirmation(journey)
    request_account(journey, f"{journey.basket}@example.com", {})
    return "a sign-up is accepted, an invalid confirmation is refused"


def sign_up(journey: Journey) -> str:
    """Sign up and confirm by the mail, which the local cloud keeps."""
    email, password = f"{journey.basket}@example.com", unique("smoke")
    refuse_invalid_confirmation(journey)
    token = mailed_token(journey.shop, email, partial(request_account, journey, email))
    confirmed = expect(journey, "POST", CONFIRMATIONS, 201, json={"token": token, "password": password})
    credentials = {"email": email, "password": password}
    journey.session = expect(journey, "POST", "/login/v1/sessions", 201, json=credentials)
    path = f"/customers/v1/customers/{confirmed['customer_id']}/profile"
    expect(journey, "GET", path, 200, headers=bearer(journey.session))
    return f"customer {confirmed['customer_id']} has a session and a profile"


def refuse_invalid_confirmation(journey: Journey) -> None:
    confirmation = {"token": f"{'0' * 32}.{'A' * 43}", "password": unique("smoke")}
    expect(journey, "POST", CONFIRMATIONS, 404, json=confirmation)


def request_account(journey: Journey, email: str, headers: dict[str, str]) -> None:
    account = {"email": email, "name": "Ada Sample"}
    expect(journey, "POST", "/customers/v1/customers", 202, json=account, headers=headers)


def order(journey: Journey) -> str:
    number, status = place_order(journey, "tok_ok", quote(journey))
    if status["status"] != "Complete":
        raise StepFailed(f"order {number} ended with {status}")
    return f"{number} is Complete"


def empty_basket(journey: Journey) -> str:
    path, sku = f"/basket/v1/baskets/{journey.basket}", journey.product["sku"]
    expect(journey, "DELETE", f"{path}/items/{sku}", 204)
    return "the item is removed"


def fetch_pages(journey: Journey) -> str:
    """Fetch the start page and the product page through the CDN."""
    site = journey.shop.front_door
    if site is None:
        if stage_parameters(journey.shop.stage).get("StorefrontImageTag", NO_IMAGE) == NO_IMAGE:
            return "skipped: the stage has no image of the storefront yet (make image)"
        site = f"https://{journey.shop.address('edge', 'site-host')}"
    for path in ("/", f"/products/{journey.product['sku']}"):
        response = with_retries(partial(httpx.get, f"{site}{path}", timeout=30), RETRY_SECONDS)
        if response.status_code != 200 or "text/html" not in response.headers["content-type"]:
            raise StepFailed(f"GET {site}{path} returned {response.status_code}")
    return "the start page and the product page"


Step = tuple[str, Callable[[Journey], str]]
EVERYWHERE: tuple[Step, ...] = (
    ("Catalog", browse),
    ("Pages", fetch_pages),
    ("Basket", fill_basket),
    ("Refusals", require_session),
)
LOCALLY: tuple[Step, ...] = (*EVERYWHERE, ("Sign-up, login", sign_up), ("Order", order))
WITH_SIMULATORS: tuple[Step, ...] = (*EVERYWHERE, ("Sign-up", request_sign_up), ("Order", order))
IN_PRODUCTION: tuple[Step, ...] = (*EVERYWHERE, ("Basket: empty", empty_basket))
BY_STAGE = {"local": LOCALLY, PRODUCTION: IN_PRODUCTION}


def alarms(shop: Shop) -> list[str]:
    """The alarms of the stage in state ALARM, with CloudWatch's reasons; none without the permission to read them."""
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
    for title, run in steps:
        try:
            line = run(journey)
        except (StepFailed, AssertionError, LookupError, httpx.HTTPError) as failure:
            reasons = [f"{title}: {failure or type(failure).__name__}", *(f"  alarm {alarm}" for alarm in alarms(shop))]
            raise CommandFailed("\n".join([f"Stage {shop.stage} does not work.", *reasons])) from failure
        console.print(f"[green]ok[/] [bold]{title:16}[/] {line}", soft_wrap=True)
    console.print(f"Stage {shop.stage} works: {len(steps)} steps in {time.monotonic() - started:.0f} s.")

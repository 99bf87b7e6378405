"""Who may call what: every operation of every document by every kind of caller, and no response has another customer's values.

What is expected follows from the document's security; what a document cannot say, because a function or a mapping decides it,
is in two small tables. Everything that a path can name is customer A's. Baskets are open by design: a
basket's id, which clients choose at random, gives access to it, and a basket holds no personal data.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import boto3
import httpx
import pytest

from tests.integration.routes import TRY_AGAIN, Route, routes
from tools.client import Shop, eventually, new_basket_id, unique
from tools.drivers.customers import Member, sign_in, sign_up

ADDRESS = {"name": "Ada Sample", "street": "Brick Lane 1", "city": "Berlin", "postal_code": "10115", "country": "DE"}

# --- callers ---


@dataclass(frozen=True)
class Caller:
    """``signs`` names the role that signs the request, if any."""

    name: str
    headers: dict[str, str]
    signs: boto3.Session | None = None


CALLERS = ("nobody", "garbage", "ended", "B", "A", "admin", "key", "stranger", "signer")


@pytest.fixture(scope="module")
def alice(shop: Shop) -> Member:
    return sign_up(shop)


@pytest.fixture(scope="module")
def bob(shop: Shop) -> Member:
    return sign_up(shop)


@pytest.fixture(scope="module")
def callers(shop: Shop, alice: Member, bob: Member) -> dict[str, Callable[[], Caller]]:
    """Each caller signs in on demand, because some requests end their session."""
    iam, user, admin = shop.aws("iam"), unique("stranger"), shop.samples["admin"]
    iam.create_user(UserName=user)
    key = iam.create_access_key(UserName=user)["AccessKey"]
    powerless = boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name=shop.session.region_name)

    def in_session(name: str, email: str, password: str) -> Caller:
        return Caller(name, {"Authorization": f"Bearer {sign_in(shop, email, password)}"})

    def ended() -> Caller:
        caller = in_session("ended", bob.email, bob.password)
        assert shop.call("DELETE", "/login/v1/sessions/current", headers=caller.headers).status_code == 204
        return caller

    return {
        "nobody": lambda: Caller("nobody", {}),
        "garbage": lambda: Caller("garbage", {"Authorization": "Bearer " + "g" * 43, "x-api-key": "g" * 40}),
        "ended": ended,
        "B": lambda: in_session("B", bob.email, bob.password),
        "A": lambda: in_session("A", alice.email, alice.password),
        "admin": lambda: in_session("admin", admin["email"], admin["password"]),
        "key": lambda: Caller("key", {"x-api-key": shop.samples["ingest_api_key"]}),
        "stranger": lambda: Caller("stranger", {}, powerless),
        "signer": lambda: Caller("signer", {}, shop.session),
    }


# --- expected statuses ---

TAKEN = "taken"
UNKNOWN = (401,)
REFUSED = (403,)
# Without a signature API Gateway cannot tell a path from one that does not exist.
UNSIGNED = (403, 404)


def required_credential(route: Route) -> str:
    """The kind of credential that the document requires, or "" for none."""
    operation = route.operation
    return "signature" if operation.iam else "key" if operation.api_key_required else route.authorizer


def by_document(route: Route, caller: str) -> Any:
    """TAKEN, or the statuses of a refusal."""
    match required_credential(route):
        case "":
            return TAKEN
        case "guest":
            return UNKNOWN if caller in ("garbage", "ended", "stranger", "signer") else TAKEN
        case "key":
            return TAKEN if caller == "key" else REFUSED
        case "signature":
            return TAKEN if caller == "signer" else REFUSED if caller == "stranger" else UNSIGNED
        case "admin":
            return TAKEN if caller == "admin" else REFUSED if caller in ("A", "B") else UNKNOWN
        case "customer" | "customerNow":
            return TAKEN if caller == "A" else REFUSED if caller in ("B", "admin") else UNKNOWN
    raise AssertionError(f"{route} asks for {required_credential(route)}, of which this matrix knows nothing")


# What functions and mappings decide: {operation: {caller: statuses or TAKEN}}.
DECIDED: dict[str, dict[str, Any]] = {
    # The sample's person does not exist.
    "createSession": dict.fromkeys(CALLERS, UNKNOWN),
    # The request ends the session that it presents.
    "endSession": dict.fromkeys(("nobody", "garbage", "ended", "key", "stranger", "signer"), UNKNOWN),
    "endAllSessions": dict.fromkeys(("nobody", "garbage", "ended", "key", "stranger", "signer"), UNKNOWN),
    # Guests have no history.
    "listOrders": dict.fromkeys(("nobody", "key"), UNKNOWN),
    # A session orders and redeems for its own customer, a guest for no customer.
    "submitOrder": dict.fromkeys(("nobody", "key", "B", "admin"), REFUSED),
    "redeemVoucher": dict.fromkeys(("nobody", "key", "B", "admin"), REFUSED),
    # Another customer's order is 404, like an unknown one.
    "showOrderStatus": dict.fromkeys(("nobody", "B", "admin", "key"), (404,)),
}


def expected(route: Route, caller: str) -> Any:
    return DECIDED.get(str(route.operation.operation_name), {}).get(caller, by_document(route, caller))


# --- the requests ---


@dataclass(frozen=True)
class Belongings:
    """``path`` and ``body`` identify resources of customer A; ``secrets`` are values that only A may see."""

    path: dict[str, str]
    body: dict[str, Any]
    secrets: tuple[str, ...]


@pytest.fixture(scope="module")
def belongings(shop: Shop, alice: Member, products: list[dict]) -> Belongings:
    """A has a profile, points, a basket and an order that was placed in a session."""
    basket = new_basket_id("b")
    item = {"sku": products[0]["sku"], "quantity": 1}
    added = shop.call("POST", f"/basket/v1/baskets/{basket}/items", json=item)
    assert added.status_code == 201, added.text
    body = {"basket_id": basket, "customer_id": alice.customer_id}
    order: dict[str, Any] = body | {"payment_token": "tok_ok", "ship_to": ADDRESS | {"street": unique("Street")}}
    placed = shop.call("POST", "/orders/v1/orders", json=order, headers=alice.session)
    assert placed.status_code == 202, placed.text
    path = {"customer_id": alice.customer_id, "order_number": placed.json()["order_number"], "basket_id": basket}
    secrets = (*alice.secrets, alice.token, order["ship_to"]["street"])
    return Belongings(path, body, secrets)


def send(shop: Shop, route: Route, caller: Caller, owned: Belongings) -> httpx.Response:
    """The answer to the sample of a route, with what is A's in it; requests with 429 and 503 are repeated."""
    own = replace(route, path=route.path | {name: owned.path[name] for name in route.path if name in owned.path})
    body = route.body
    if isinstance(body, dict):
        body = body | {name: value for name, value in owned.body.items() if name in body}
        if route.operation.operation_name == "redeemVoucher":
            body = body | {"customer_id": owned.body["customer_id"]}

    def attempt() -> httpx.Response:
        response = shop.call(
            route.method,
            own.address(),
            content=None if body is None else json.dumps(body),
            headers=route.headers | caller.headers,
            sign=caller.signs is not None,
            session=caller.signs,
            timeout=60,
        )
        assert response.status_code not in TRY_AGAIN, response.text
        return response

    return eventually(attempt)


def new_session(shop: Shop, member: Member) -> dict[str, str]:
    """Headers of a new session, because one request of the matrix ends all earlier sessions of A."""
    return {"Authorization": f"Bearer {sign_in(shop, member.email, member.password)}"}


def test_customer_a_receives_every_secret_value(shop: Shop, alice: Member, belongings: Belongings):
    """A's responses contain A's values, so the matrix would detect a leak."""
    session = new_session(shop, alice)
    profile = shop.call("GET", f"/customers/v1/customers/{alice.customer_id}/profile", headers=session).text
    assert {alice.email, belongings.secrets[0]} <= {secret for secret in belongings.secrets if secret in profile}
    rewards = shop.call("GET", f"/customers/v1/customers/{alice.customer_id}/rewards", headers=session).text
    assert any(secret in rewards for secret in alice.secrets)


ROUTES = [route for route in routes() if route.method != "OPTIONS"]


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_each_caller_receives_the_expected_status(
    shop: Shop, route: Route, callers: dict[str, Callable[[], Caller]], belongings: Belongings
):
    """A calls last, because A's request may end the resource."""
    mismatches, rows = {}, []
    for name in sorted(CALLERS, key="A".__eq__):
        response = send(shop, route, callers[name](), belongings)
        allowed = expected(route, name)
        fits = response.status_code not in (401, 403) and response.status_code < 500 if allowed is TAKEN else None
        if not (response.status_code in allowed if fits is None else fits):
            mismatches[name] = (allowed, response.status_code, response.text[:200])
        if name not in ("A", "signer") and required_credential(route) != "admin":
            rows += [(name, secret) for secret in belongings.secrets if secret in response.text + str(response.headers)]
    assert not mismatches
    assert not rows


def is_preflight(route: Route) -> bool:
    integration = route.operation.integration
    return route.method == "OPTIONS" and integration is not None and integration.kind == "mock"


def test_the_matrix_covers_every_route():
    """The matrix has every route of every document except preflights, which carry no credentials."""
    left_out = [route for route in routes() if route not in ROUTES]
    assert all(is_preflight(route) for route in left_out)
    assert all(required_credential(route) == "" for route in left_out)
    assert set(DECIDED) <= {route.operation.operation_name for route in ROUTES}
    # Every route with a customer or an order in its path requires a credential.
    named = [route for route in ROUTES if {"customer_id", "order_number"} & set(route.declared("path"))]
    assert named
    assert all(required_credential(route) for route in named)


def test_a_history_lists_only_the_callers_orders(shop: Shop, alice: Member, bob: Member, belongings: Belongings):
    """Only A's session lists A's orders: B's session finds them on no page and by no number."""
    number = belongings.path["order_number"]
    session_of_a, session_of_b = new_session(shop, alice), new_session(shop, bob)

    def history(session: dict[str, str], query: str = "") -> str:
        response = shop.call("GET", f"/orders/v1/orders{query}", headers=session)
        assert response.status_code == 200, response.text
        return response.text

    assert number in history(session_of_a)
    before = f"T{int(number[1:]) + 1:09}"
    for query in ("", f"?page_token={number}", f"?page_token={before}", f"?customer_id={alice.customer_id}"):
        assert number not in history(session_of_b, query)
    assert shop.call("GET", f"/orders/v1/orders/{number}/status", headers=session_of_a).status_code == 200

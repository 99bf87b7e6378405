"""Baskets: shoppers with several tabs, and clients that repeat requests without a response."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import permutations
from typing import Any

from tests.interleavings.scenario import Invariant, Scenario
from tests.interleavings.scheduler import Run
from tests.interleavings.state import START
from tests.interleavings.world import World

BASKET = "shoppers-basket-0123456789"
ITEMS = f"/v1/baskets/{BASKET}/items"
PRODUCT = {
    "sku": "SP-1", "name": "Brick", "unit_price": 500, "currency": "EUR", "price_version": 1, "stock": 90,
    "max_per_customer": 90, "available": True, "status": "active",
}  # fmt: skip


@dataclass(frozen=True)
class BasketRequest:
    """A request of a shopper and its last response. ``tag`` is the version in If-Match."""

    kind: str
    quantity: int
    status: int
    version: int | None
    tag: int | None = None


def products(world: World) -> None:
    """The commerce platform sells SP-1 and SP-2."""
    for sku in ("SP-1", "SP-2"):
        world.put(
            "partners.Table",
            {"collection": "products", "key": sku, "revision": 1, "document": json.dumps(PRODUCT | {"sku": sku})},
        )


def add(quantity: int, *, key: str = "", tag: bool = False, repeat: bool = True) -> Callable[[World], BasketRequest]:
    """A shopper adds SP-1, and with a key repeats the request until there is a response."""

    def side(world: World) -> BasketRequest:
        headers = {"If-Match": f'"{world.facts["before"][1]}"'} if tag else {}
        body = {"sku": "SP-1", "quantity": quantity}

        def request() -> Any:
            return world.request("basket", "POST", ITEMS, body, key=key, headers=headers)

        response = world.request_with_retries(request) if key and repeat else request()
        return BasketRequest(
            "add", quantity, response.status, _version(response), world.facts["before"][1] if tag else None
        )

    return side


def change(quantity: int, tag: bool = False) -> Callable[[World], BasketRequest]:
    def side(world: World) -> BasketRequest:
        headers = {"If-Match": f'"{world.facts["before"][1]}"'} if tag else {}
        response = world.request("basket", "PATCH", f"{ITEMS}/SP-1", {"quantity": quantity}, headers=headers)
        return BasketRequest(
            "change", quantity, response.status, _version(response), world.facts["before"][1] if tag else None
        )

    return side


def remove(tag: bool = False) -> Callable[[World], BasketRequest]:
    def side(world: World) -> BasketRequest:
        headers = {"If-Match": f'"{world.facts["before"][1]}"'} if tag else {}
        response = world.request("basket", "DELETE", f"{ITEMS}/SP-1", headers=headers)
        return BasketRequest(
            "remove", 0, response.status, _version(response), world.facts["before"][1] if tag else None
        )

    return side


def _version(response: Any) -> int | None:
    tag = response.headers.get("ETag", "").strip('"')
    return int(tag) if tag.isdigit() else None


def with_line(quantity: int) -> Callable[[World], None]:
    def set_up(world: World) -> None:
        products(world)
        response = world.request("basket", "POST", ITEMS, {"sku": "SP-1", "quantity": quantity})
        assert response.status == 201
        world.facts["before"] = (quantity, _version(response))

    return set_up


def _after(request: BasketRequest, state: tuple[int | None, int], carried_out: bool) -> tuple[int | None, int] | None:
    """The state {quantity, version} after a request that was carried out or refused; None if that is impossible."""
    quantity, version = state
    fits = request.tag is None or request.tag == version
    possible = fits and (request.kind == "add" or quantity is not None)
    if not carried_out:
        return state if not possible or request.status in (409, 422, 502, 503, 500) else None
    if not possible:
        return None
    new = {"add": (quantity or 0) + request.quantity, "change": request.quantity, "remove": None}[request.kind]
    # The versions of a new basket begin at the time in milliseconds.
    return new, version + 1 if version else 1000 * START


def one_order_explains_all(world: World, run: Run) -> str:
    """Find an order of the requests that explains all responses: each carried out once, or refused for a reason."""
    requests = [
        request for result in run.results.values() for request in (result if isinstance(result, list) else [result])
    ]
    before = world.facts.get("before", (None, 0))
    stored = next((item for item in world.items("basket.Table") if item["basket_id"] == BASKET), None)
    line = stored["lines"].get("SP-1") if stored else None
    end = (line["quantity"] if line else None, stored["version"] if stored else before[1])
    for order in permutations(requests):
        states = {before}
        for request in order:
            next_states = set()
            for state in states:
                for carried_out in (True, False):
                    if request.status < 300 and not carried_out:
                        continue
                    if 400 <= request.status < 500 and carried_out:
                        continue
                    after = _after(request, state, carried_out)
                    if after is None:
                        continue
                    # Setting a quantity twice changes only the version twice.
                    versions = (
                        (after[1], after[1] + 1)
                        if request.kind == "change" and carried_out and request.tag is None
                        else (after[1],)
                    )
                    next_states |= {
                        (after[0], version)
                        for version in versions
                        if request.status >= 300 or request.kind == "remove" or request.version == version
                    }
            states = next_states
        # Versions only tell states apart: a repeat whose first attempt was undone meanwhile may count one more.
        if end[0] in {quantity for quantity, _ in states}:
            return ""
    summary = "; ".join(f"{request.kind} {request.quantity or ''} -> {request.status}" for request in requests)
    return f"the basket holds {end[0]} (version {end[1]}), was {before[0]}; requests: {summary}"


INVARIANTS = (
    Invariant(
        "basket",
        "All responses and the basket fit one order of the requests, each carried out once or refused for a reason.",
        one_order_explains_all,
    ),
)
SCENARIOS = (
    Scenario("basket", "two tabs remove the same line", with_line(1), {"ada": remove(), "grace": remove()}),
    Scenario(
        "basket", "two tabs add the same product", products, {"tab one": add(2, key="k1"), "tab two": add(3, key="k2")}
    ),
    Scenario("basket", "one request under one key is sent twice", with_line(1), {"first": add(2, key="k1")}),
    Scenario("basket", "two clients without a key add", with_line(1), {"ada": add(2), "grace": add(3)}),
    Scenario(
        "basket",
        "two clients change the version they saw",
        with_line(1),
        {"ada": add(2, tag=True), "grace": change(5, tag=True)},
    ),
    Scenario(
        "basket", "one tab changes the line that another removes", with_line(1), {"ada": change(7), "grace": remove()}
    ),
    Scenario(
        "basket",
        "a line is removed at the version that another changes",
        with_line(1),
        {"ada": change(7, tag=True), "grace": remove(tag=True)},
    ),
    Scenario("basket", "one tab adds what another removes", with_line(1), {"ada": add(4, key="k1"), "grace": remove()}),
)

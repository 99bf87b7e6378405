"""Baskets: shoppers with several tabs, clients that repeat requests without a response, and orders that hold a basket."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
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
    """A request of a shopper or of an order, and its last response. ``tag`` is the version in If-Match."""

    kind: str
    quantity: int
    status: int
    version: int | None = None
    tag: int | None = None
    order: str = ""


@dataclass(frozen=True)
class BasketState:
    """A basket: the ``quantity`` of SP-1, None without that line; ``sold`` are the pieces that orders have taken off."""

    quantity: int | None = None
    version: int = 0
    exists: bool = False
    held_by: str = ""
    closed: frozenset[str] = frozenset()
    sold: int = 0


# The price of each product by its currency.
PRICES = {"EUR": 500, "SEK": 5000}


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


def set_order(state: str, quantity: int = 0, order: str = "T100000001") -> Callable[[World], BasketRequest]:
    """The orders service says that an order holds the basket, has failed, or has sold ``quantity`` pieces."""

    def side(world: World) -> BasketRequest:
        lines = {"lines": [{"sku": "SP-1", "quantity": quantity}]} if quantity else {}
        path = f"/v1/internal/baskets/{BASKET}/orders/{order}"
        response = world.request_with_retries(
            lambda: world.request("basket", "PUT", path, {"state": state, **lines}), tries=2
        )
        return BasketRequest(state, quantity, response.status, order=order)

    return side


def one_after_another(*sides: Callable[[World], BasketRequest]) -> Callable[[World], list[BasketRequest]]:
    return lambda world: [side(world) for side in sides]


def ordered(quantity: int) -> Callable[[World], None]:
    """A basket that an order holds."""

    def set_up(world: World) -> None:
        with_line(quantity)(world)
        assert set_order("in_progress")(world).status == 200
        world.facts["before"] = (quantity, world.facts["before"][1] + 1)
        world.facts["held_by"] = "T100000001"

    return set_up


def in_another_currency(world: World) -> None:
    """A basket with SP-1, which is sold in another currency since."""
    with_line(2)(world)
    product = PRODUCT | {"unit_price": PRICES["SEK"], "currency": "SEK", "price_version": 2}
    world.put(
        "partners.Table", {"collection": "products", "key": "SP-1", "revision": 2, "document": json.dumps(product)}
    )


def add_another_product(world: World) -> list[BasketRequest]:
    world.request("basket", "POST", ITEMS, {"sku": "SP-2", "quantity": 1})
    return []


def _after(request: BasketRequest, state: BasketState) -> BasketState | None:
    """The state after a request that was carried out; None if it has to be refused."""
    # The versions of a new basket begin at the time in milliseconds.
    changed = replace(state, exists=True, version=state.version + 1 if state.version else 1000 * START)
    if request.order:
        return _after_order(request, state, changed)
    if state.held_by or request.tag not in (None, state.version):
        return None
    match request.kind:
        case "add":
            return replace(changed, quantity=(state.quantity or 0) + request.quantity)
        case "change" if state.quantity is not None:
            return replace(changed, quantity=request.quantity)
        case "remove" if state.quantity is not None:
            return replace(changed, quantity=None)
    return None


def _after_order(request: BasketRequest, state: BasketState, changed: BasketState) -> BasketState | None:
    holds = state.held_by == request.order
    if request.order in state.closed or (request.kind == "in_progress" and holds):
        return state
    if request.kind == "in_progress":
        return replace(changed, held_by=request.order) if state.exists and not state.held_by else None
    changed = replace(changed, exists=state.exists, closed=state.closed | {request.order})
    if not holds:
        return changed
    remaining = (state.quantity or 0) - request.quantity
    return replace(
        changed,
        held_by="",
        exists=remaining > 0,
        quantity=remaining if remaining > 0 else None,
        sold=state.sold + request.quantity,
    )


def _stored(world: World) -> dict[str, Any] | None:
    return next((item for item in world.items("basket.Table") if item["basket_id"] == BASKET), None)


def _requests(run: Run) -> list[BasketRequest]:
    return [
        request for result in run.results.values() for request in (result if isinstance(result, list) else [result])
    ]


def one_order_explains_all(world: World, run: Run) -> str:
    """Find an order of the requests that explains all responses: each carried out once, or refused for a reason."""
    requests = _requests(run)
    quantity, version = world.facts.get("before", (None, 0))
    before = BasketState(quantity, version, version > 0, world.facts.get("held_by", ""))
    stored = _stored(world)
    line = stored["lines"].get("SP-1") if stored else None
    end = (line["quantity"] if line else None, stored.get("held_by", {}).get("order_number", "") if stored else "")
    for order in permutations(requests):
        states = {before}
        for request in order:
            states = {after for state in states for after in _possible(request, state)}
        # Versions only tell states apart: a repeat whose first attempt was undone meanwhile may count one more.
        if end in {(state.quantity, state.held_by) for state in states}:
            return ""
    summary = "; ".join(f"{request.kind} {request.quantity or ''} -> {request.status}" for request in requests)
    return f"the basket holds {end} (was {before}); requests: {summary}"


def _possible(request: BasketRequest, state: BasketState) -> set[BasketState]:
    """The states after a request, as far as its response tells: a 5xx may have been carried out."""
    after = _after(request, state)
    states: set[BasketState] = set()
    if after and not 400 <= request.status < 500:
        # Setting a quantity twice changes only the version twice.
        versions = (
            (after.version, after.version + 1) if request.kind == "change" and request.tag is None else (after.version,)
        )
        # A removal is answered with the version of the basket that its repeat has read.
        shown = request.status < 300 and request.kind in ("add", "change")
        states |= {replace(after, version=version) for version in versions if not shown or request.version == version}
    # A refusal without a reason is impossible, unless it is for a stale repeat of what was carried out.
    if request.status >= 300 and (after is None or request.status in (409, 422, 500, 502, 503)):
        states.add(state)
    return states


def a_closed_order_holds_no_basket(world: World, run: Run) -> str:
    closed = {
        request.order for request in _requests(run) if request.kind in ("failed", "complete") and request.status == 200
    }
    holder = (_stored(world) or {}).get("held_by", {}).get("order_number")
    return f"{holder} is closed and holds the basket" if holder in closed else ""


def every_line_is_in_the_currency_of_the_basket(world: World, run: Run) -> str:
    stored = _stored(world)
    prices = {line["unit_price"] for line in stored["lines"].values()} if stored else set()
    return (
        f"prices {prices} in a basket in {stored['currency']}"
        if stored and prices - {PRICES[stored["currency"]]}
        else ""
    )


INVARIANTS = (
    Invariant(
        "basket",
        "All responses and the basket fit one order of the requests, each carried out once or refused for a reason.",
        one_order_explains_all,
    ),
    Invariant("basket", "A basket has one currency.", every_line_is_in_the_currency_of_the_basket),
    Invariant("basket", "An order that is closed never holds the basket again.", a_closed_order_holds_no_basket),
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
    Scenario(
        "basket",
        "an order takes the basket that a tab changes",
        with_line(2),
        {"order": set_order("in_progress"), "tab": change(5)},
    ),
    Scenario(
        "basket",
        "an order takes the basket from which a tab removes the line",
        with_line(2),
        {"order": set_order("in_progress"), "tab": remove()},
    ),
    Scenario(
        "basket",
        "two orders take one basket",
        with_line(2),
        {"first": set_order("in_progress"), "second": set_order("in_progress", order="T100000002")},
    ),
    Scenario(
        "basket",
        "an order is complete while a tab adds more",
        ordered(2),
        {"order": set_order("complete", 2), "tab": add(1, key="k1")},
    ),
    Scenario(
        "basket",
        "an order fails while a tab removes the line",
        ordered(2),
        {"order": set_order("failed"), "tab": remove()},
    ),
    Scenario(
        "basket",
        "an order is complete while a tab changes the line",
        ordered(3),
        {"order": set_order("complete", 2), "tab": change(7)},
    ),
    Scenario(
        "basket",
        "a late message takes the basket of a failed order",
        with_line(2),
        {"late": set_order("in_progress"), "order": set_order("failed"), "tab": add(1, key="k1")},
    ),
    Scenario(
        "basket",
        "a complete order is closed twice while a tab adds more",
        ordered(2),
        {
            "order": set_order("complete", 2),
            "again": one_after_another(set_order("complete", 2), set_order("in_progress")),
            "tab": add(1, key="k1"),
        },
    ),
    Scenario(
        "basket",
        "the next order takes the basket while the first one fails",
        ordered(2),
        {"first": set_order("failed"), "second": set_order("in_progress", order="T100000002")},
    ),
    Scenario(
        "basket",
        "a tab adds a product while another changes the currency",
        in_another_currency,
        {"ada": change(3), "grace": add_another_product},
    ),
)

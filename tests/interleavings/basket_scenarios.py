"""Baskets: shoppers with several tabs, and clients that repeat what was not answered."""

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
class Asked:
    """A request of a shopper and its last answer. ``tag`` is the version that If-Match named."""

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


def add(quantity: int, *, key: str = "", tag: bool = False, again: bool = True) -> Callable[[World], Asked]:
    """A shopper adds SP-1, and with a key asks again until there is an answer."""

    def side(world: World) -> Asked:
        headers = {"If-Match": f'"{world.facts["before"][1]}"'} if tag else {}
        body = {"sku": "SP-1", "quantity": quantity}

        def ask() -> Any:
            return world.request("basket", "POST", ITEMS, body, key=key, headers=headers)

        answer = world.until_answered(ask) if key and again else ask()
        return Asked("add", quantity, answer.status, _version(answer), world.facts["before"][1] if tag else None)

    return side


def change(quantity: int, tag: bool = False) -> Callable[[World], Asked]:
    def side(world: World) -> Asked:
        headers = {"If-Match": f'"{world.facts["before"][1]}"'} if tag else {}
        answer = world.request("basket", "PATCH", f"{ITEMS}/SP-1", {"quantity": quantity}, headers=headers)
        return Asked("change", quantity, answer.status, _version(answer), world.facts["before"][1] if tag else None)

    return side


def remove(tag: bool = False) -> Callable[[World], Asked]:
    def side(world: World) -> Asked:
        headers = {"If-Match": f'"{world.facts["before"][1]}"'} if tag else {}
        answer = world.request("basket", "DELETE", f"{ITEMS}/SP-1", headers=headers)
        return Asked("remove", 0, answer.status, _version(answer), world.facts["before"][1] if tag else None)

    return side


def _version(answer: Any) -> int | None:
    tag = answer.headers.get("ETag", "").strip('"')
    return int(tag) if tag.isdigit() else None


def with_line(quantity: int) -> Callable[[World], None]:
    def given(world: World) -> None:
        products(world)
        answer = world.request("basket", "POST", ITEMS, {"sku": "SP-1", "quantity": quantity})
        assert answer.status == 201
        world.facts["before"] = (quantity, _version(answer))

    return given


def _after(request: Asked, state: tuple[int | None, int], carried_out: bool) -> tuple[int | None, int] | None:
    """The state {quantity, version} after a request that was carried out or refused; None if that cannot be."""
    quantity, version = state
    fits = request.tag is None or request.tag == version
    possible = fits and (request.kind == "add" or quantity is not None)
    if not carried_out:
        return state if not possible or request.status in (409, 422, 502, 503, 500) else None
    if not possible:
        return None
    new = {"add": (quantity or 0) + request.quantity, "change": request.quantity, "remove": None}[request.kind]
    # A basket that is new counts from the time in milliseconds.
    return new, version + 1 if version else 1000 * START


def one_order_explains_all(world: World, run: Run) -> str:
    """Is there an order of the requests in which each was carried out once, or refused for a reason, as it was answered?"""
    asked = [one for result in run.results.values() for one in (result if isinstance(result, list) else [result])]
    before = world.facts.get("before", (None, 0))
    stored = next((item for item in world.items("basket.Table") if item["basket_id"] == BASKET), None)
    line = stored["lines"].get("SP-1") if stored else None
    end = (line["quantity"] if line else None, stored["version"] if stored else before[1])
    for order in permutations(asked):
        states = {before}
        for one in order:
            reached = set()
            for state in states:
                for carried_out in (True, False):
                    if one.status < 300 and not carried_out:
                        continue
                    if 400 <= one.status < 500 and carried_out:
                        continue
                    after = _after(one, state, carried_out)
                    if after is None:
                        continue
                    # A quantity that is set twice is the same, only the version counts both.
                    versions = (
                        (after[1], after[1] + 1)
                        if one.kind == "change" and carried_out and one.tag is None
                        else (after[1],)
                    )
                    reached |= {
                        (after[0], version)
                        for version in versions
                        if one.status >= 300 or one.kind == "remove" or one.version == version
                    }
            states = reached
        # Versions only tell states apart: a repeat whose first attempt was undone meanwhile may count one more.
        if end[0] in {quantity for quantity, _ in states}:
            return ""
    told = "; ".join(f"{one.kind} {one.quantity or ''} -> {one.status}" for one in asked)
    return f"the basket holds {end[0]} (version {end[1]}), was {before[0]}, and was told: {told}"


INVARIANTS = (
    Invariant(
        "basket",
        "All answers and the basket fit one order of the requests, each carried out once or refused for a reason.",
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

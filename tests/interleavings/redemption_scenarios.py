"""Vouchers of a complete batch: reserved, redeemed and released by orders, redeemed over the API, cancelled, repeated."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from tests.interleavings.scenario import USUAL, Invariant, Scenario
from tests.interleavings.scheduler import Run
from tests.interleavings.voucher_scenarios import LONG, batch_complete, cancel, run_remaining_steps
from tests.interleavings.world import World

ADA, GRACE = "T100000001", "T100000002"
Side = Callable[[World], Any]


def orders_complete(world: World) -> None:
    """A voucher, and two complete orders of guests."""
    batch_complete(world)
    for number in (ADA, GRACE):
        order = {"order_number": number, "owner": "", "backend_status": "Sent to fulfillment", "expires_at": 2**33}
        world.put("orders.Table", order | {"created_at": 0, "updated_at": "2027-01-15T08:00:00Z"})


def reserved(minutes_ago: int = 0) -> Side:
    """Ada's order has reserved the voucher, for 15 minutes."""

    def set_up(world: World) -> None:
        orders_complete(world)
        assert reserve(ADA)(world)["status"] == 201
        world.later(minutes_ago * 60)
        watch(world)

    return set_up


def redeem(order: str) -> Side:
    """A client's request for a complete order."""

    def side(world: World) -> tuple[str, int]:
        path = f"/v1/vouchers/{world.facts['code']}/redemptions"
        body = {"order_number": order}
        response = world.request_with_retries(
            lambda: world.request("vouchers", "POST", path, body, customer_id="", roles="")
        )
        return order, response.status

    return side


def change(world: World, order: str, body: dict[str, Any]) -> int:
    """The status of a request of the orders service."""
    path = f"/v1/internal/vouchers/{world.facts['code']}/orders/{order}"
    return int(world.request_with_retries(lambda: world.request("vouchers", "PUT", path, body)).status)


def reserve(order: str, attempt: int = 0) -> Side:
    def side(world: World) -> dict[str, Any]:
        expires_at = (datetime.now(UTC) + timedelta(minutes=15)).isoformat()
        body = {"state": "reserved", "amount": 700, "currency": "EUR", "expires_at": expires_at, "attempt": attempt}
        return {"reserved": order, "attempt": attempt, "status": change(world, order, body)}

    return side


def redeem_reservation(order: str) -> Side:
    def side(world: World) -> tuple[str, int]:
        return order, change(world, order, {"state": "redeemed"})

    return side


def reserve_and_redeem(order: str) -> Side:
    def side(world: World) -> tuple[str, int]:
        status = reserve(order)(world)["status"]
        return redeem_reservation(order)(world) if status < 300 else (order, status)

    return side


def release(order: str, attempt: int = 0) -> Side:
    def side(world: World) -> dict[str, Any]:
        return {
            "released": order,
            "attempt": attempt,
            "status": change(world, order, {"state": "released", "attempt": attempt}),
        }

    return side


def admin_release(order: str) -> Side:
    def side(world: World) -> int:
        path, query = f"/v1/vouchers/{world.facts['code']}/redemptions", {"order_number": order}
        return int(world.request("vouchers", "DELETE", path, query=query, principalId="grace").status)

    return side


def stored(world: World) -> dict[str, Any] | None:
    """The redemption or reservation of the voucher; the table has gates and tombstones, too."""
    items = [item for item in world.items("vouchers.RedemptionsTable") if item["code"] == world.facts.get("code")]
    return items[0] if items else None


def watch(world: World) -> None:
    """Record the states of the voucher, with the time and whether its batch was cancelled."""
    versions = world.facts.setdefault("vouchers", [(None, "", False)])
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if versions[-1][0] != (item := stored(world)):
        versions.append((item, now, "cancelled" in world.facts))


def has_admin(world: World) -> bool:
    """True if an admin may have released the voucher."""
    return any(name.startswith("DELETE") for _, name, _ in world.responses)


def redeemed_once(world: World, run: Run) -> str:
    redeemers = {result[0] for result in run.results.values() if isinstance(result, tuple) and result[1] in (200, 201)}
    if len(redeemers) > 1:
        return f"redeemed for {', '.join(sorted(redeemers))}"
    item = stored(world)
    if (
        redeemers
        and not has_admin(world)
        and not (item and "redeemed_at" in item and item["order_number"] in redeemers)
    ):
        return "a redemption succeeded, and is not stored"
    return ""


def redeemer_gets_success(world: World, run: Run) -> str:
    responses = [result for result in run.results.values() if isinstance(result, tuple)]
    unavailable = any(response.status >= 500 for _, name, response in world.responses if "vouchers" in name)
    item = stored(world)
    is_redeemed = item is not None and "redeemed_at" in item
    if is_redeemed and responses and all(status == 409 for _, status in responses) and not unavailable:
        return "the voucher is redeemed, and all requests were refused"
    return ""


def held_by_one(world: World, run: Run) -> str:
    """An order keeps the voucher until it releases it or its reservation expires; a redemption stays."""
    versions = world.facts.get("vouchers", [])
    for (before, _, _), (after, now, _) in pairwise(versions):
        if before is None or (after is None and has_admin(world)):
            continue
        if "redeemed_at" in before:
            return f"a redemption for {before['order_number']} has changed"
        if after is not None and after["order_number"] != before["order_number"] and before["expires_at"] > now:
            return f"a reservation for {before['order_number']} was taken before its end"
    return ""


def released_stays_released(world: World, run: Run) -> str:
    item = stored(world)
    for result in run.results.values():
        if isinstance(result, dict) and "released" in result and result["status"] == 200 and item:
            is_own = item["order_number"] == result["released"]
            if is_own and "redeemed_at" not in item and item["order_attempt"] <= result["attempt"]:
                return f"{result['released']} has released the voucher, and has it"
    return ""


def cancelled_is_void(world: World, run: Run) -> str:
    versions = world.facts.get("vouchers", [])
    for (before, _, _), (after, _, is_cancelled) in pairwise(versions):
        if is_cancelled and after and (before is None or before["order_number"] != after["order_number"]):
            return "a voucher was reserved or redeemed after the response to its cancellation"
    return ""


INVARIANTS = (
    Invariant("vouchers", "A voucher is redeemed once, for one order.", redeemed_once),
    Invariant("vouchers", "If a voucher is redeemed, at least one request for it succeeds.", redeemer_gets_success),
    Invariant(
        "vouchers",
        "An order keeps a voucher until it releases it or its reservation expires, or for ever.",
        held_by_one,
    ),
    Invariant("vouchers", "What an order has released is not reserved for it again.", released_stays_released),
    Invariant(
        "vouchers",
        "No voucher is reserved or redeemed after the response to the cancellation of its batch, unless for an order"
        " that has reserved it before.",
        cancelled_is_void,
    ),
)


def _scenario(name: str, before: Side, **sides: Side) -> Scenario:
    return Scenario(
        "vouchers",
        name,
        before,
        sides,
        afterwards=run_remaining_steps,
        needs=("sequences", "orders"),
        # A cancellation has twenty calls, and thousands of orders with two switches.
        bounds=LONG if "admin" in sides else USUAL,
        watch=watch,
    )


SCENARIOS = (
    _scenario("a voucher is redeemed by two orders", orders_complete, ada=redeem(ADA), grace=redeem(GRACE)),
    _scenario("a redemption is repeated", orders_complete, one=redeem(ADA), other=redeem(ADA)),
    _scenario("a voucher is redeemed while its batch is cancelled", orders_complete, ada=redeem(ADA), admin=cancel),
    _scenario(
        "two orders reserve a voucher",
        orders_complete,
        ada=reserve_and_redeem(ADA),
        grace=reserve_and_redeem(GRACE),
    ),
    _scenario("an order reserves a voucher twice at once", orders_complete, one=reserve(ADA), other=reserve(ADA)),
    _scenario("a late reservation meets a release", orders_complete, late=reserve(ADA), close=release(ADA)),
    _scenario("a repeated reservation meets a release", reserved(), late=reserve(ADA), close=release(ADA)),
    _scenario("an order is reopened while it is closed", reserved(), reopened=reserve(ADA, 1), close=release(ADA)),
    _scenario("a release is repeated", reserved(), one=release(ADA), other=release(ADA)),
    _scenario(
        "an expired reservation is redeemed while another order takes the voucher",
        reserved(20),
        ada=redeem_reservation(ADA),
        grace=reserve_and_redeem(GRACE),
    ),
    _scenario(
        "an expired reservation is extended while another order takes the voucher",
        reserved(20),
        ada=reserve(ADA),
        grace=reserve(GRACE),
    ),
    _scenario(
        "a voucher is reserved while its batch is cancelled", orders_complete, ada=reserve_and_redeem(ADA), admin=cancel
    ),
    _scenario(
        "a reserved voucher is redeemed after a cancellation", reserved(), ada=redeem_reservation(ADA), admin=cancel
    ),
    _scenario("an order and its customer redeem a voucher", reserved(), order=redeem_reservation(ADA), ada=redeem(ADA)),
    _scenario(
        "a voucher is redeemed over the API while an order reserves it",
        orders_complete,
        ada=redeem(ADA),
        grace=reserve_and_redeem(GRACE),
    ),
    _scenario(
        "an admin releases a voucher while its order redeems it",
        reserved(),
        ada=redeem_reservation(ADA),
        grace=admin_release(ADA),
    ),
)

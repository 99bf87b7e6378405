"""Orders that hold a basket, vouchers and stock: two of one basket, voucher or piece, and reservations of late deliveries."""

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

from tests.interleavings.basket_scenarios import BASKET, ITEMS, PRODUCT
from tests.interleavings.order_scenarios import (
    DEAD,
    LONG,
    ORDER,
    PARKED,
    PAYMENT,
    SUBMIT,
    SUBMITTED,
    TO_COMPLETION,
    dead_lettered,
    deliver,
    orders,
    record_statuses,
    run_remaining_steps,
    shop,
    sweep,
    twice,
)
from tests.interleavings.scenario import Invariant, Scenario
from tests.interleavings.scheduler import Bounds, Run
from tests.interleavings.voucher_scenarios import batch_complete
from tests.interleavings.world import World

OTHER_BASKET = "another-shoppers-basket-01"
COMPLETE = "Sent to fulfillment"
SetUp = Callable[[World], None]


def fill(world: World, basket: str) -> None:
    path = f"/v1/baskets/{basket}/items"
    assert world.request("basket", "POST", path, {"sku": "SP-1", "quantity": 2}).status == 201


def quote(world: World, basket: str = BASKET, *codes: str) -> str:
    body = {"basket_id": basket, "ship_to": {"country": "DE", "postal_code": "10115"}, "voucher_codes": [*codes]}
    response = world.request("orders", "POST", "/v1/quotations", body, customer_id="", roles="")
    assert response.status == 200, response
    return str(response.body["quotation_id"])


def submit(world: World, quotation: str, key: str, token: str = "tok_ok") -> Any:
    body = {"quotation_id": quotation, "payment_token": token, "email": "ada@shop.example", "ship_to": ORDER["ship_to"]}
    return world.request_with_retries(
        lambda: world.request("orders", "POST", "/v1/orders", body, key=key, customer_id="", roles="")
    )


def two_tabs(world: World) -> None:
    """A basket with two quotations."""
    shop(world)
    world.facts["quotations"] = [quote(world), quote(world)]


def two_tabs_and_more(world: World) -> None:
    """The same, and each tab may get an order."""
    two_tabs(world)
    world.facts["keys"] = True


def tab(number: int) -> Callable[[World], Any]:
    return lambda world: submit(world, world.facts["quotations"][number], f"form-{number}").status


def buy_and_add_more(world: World) -> Any:
    """Order the basket in another tab, have that order completed, and add a piece."""
    status = tab(1)(world)
    for queue in (*TO_COMPLETION, PAYMENT):
        world.deliver(queue)
    world.request("basket", "POST", ITEMS, {"sku": "SP-1", "quantity": 1})
    return status


def ordered_with_voucher(token: str = "tok_ok", deliveries: tuple[str, ...] = ()) -> SetUp:
    """An order of a quotation with a voucher, and messages about it already delivered from the queues ``deliveries``."""

    def set_up(world: World) -> None:
        shop(world)
        batch_complete(world)
        assert submit(world, quote(world, BASKET, world.facts["code"]), "form", token).status == 202
        for queue in deliveries:
            assert world.deliver(queue), f"nothing on {queue}"

    return set_up


def two_orders(*, stock: int | None = None, with_voucher: bool = False) -> SetUp:
    """Two orders of different baskets, which need one voucher or one stock."""

    def set_up(world: World) -> None:
        shop(world)
        fill(world, OTHER_BASKET)
        codes = []
        if with_voucher:
            batch_complete(world)
            codes = [world.facts["code"]]
        if stock is not None:
            sell(world, stock)
        quotations = [quote(world, basket, *codes) for basket in (BASKET, OTHER_BASKET)]
        for number, quotation in enumerate(quotations):
            assert submit(world, quotation, f"form-{number}").status == 202
        world.facts["keys"] = True

    return set_up


def sell(world: World, stock: int) -> None:
    document = json.dumps(PRODUCT | {"stock": stock})
    world.put("partners.Table", {"collection": "products", "key": "SP-1", "revision": 1, "document": document})


def given_up(world: World) -> None:
    """An order has failed and has given all back; a copy of its message is late, and an operator has the parked one."""
    twice(SUBMIT, ordered_with_voucher())(world)
    world.queues[DEAD].append(world.queues[SUBMIT].pop(0))
    late = world.queues[SUBMIT].pop(0)
    assert world.deliver(DEAD)
    assert world.deliver(SUBMIT)
    world.queues[SUBMIT].append(late)
    world.facts["redriven"] = True


def given_up_and_dead_lettered_again(world: World) -> None:
    """The same, and the late copy is in the dead-letter queue."""
    given_up(world)
    world.queues[DEAD].append(world.queues[SUBMIT].pop())


def given_up_and_quoted_again(world: World) -> None:
    """The same without a late copy, and the shopper has a new quotation of the basket."""
    given_up(world)
    world.queues[SUBMIT].clear()
    world.facts |= {"quotations": [quote(world)], "keys": True}


def redrive_parked(world: World) -> None:
    """Deliver the parked message, before the late one."""
    world.queues[SUBMIT][:0] = world.queues[PARKED]
    world.queues[PARKED].clear()
    world.deliver(SUBMIT)


# --- invariants ---


def one_order_in_progress(world: World, run: Run) -> str:
    baskets = Counter(order["basket_id"] for order in orders(world) if "in_progress" in order)
    return "; ".join(f"{basket} has {count} orders in progress" for basket, count in baskets.items() if count > 1)


def locks_are_held_by_orders_in_progress(world: World, run: Run) -> str:
    in_progress = {order["order_number"] for order in orders(world) if "in_progress" in order}
    locks = [item for item in world.items("orders.Table") if item["order_number"].startswith("basket#")]
    left = [
        f"{lock['order_number']} is locked by {lock['number']}" for lock in locks if lock["number"] not in in_progress
    ]
    for basket in world.items("basket.Table"):
        holder = basket.get("held_by", {}).get("order_number")
        if holder and holder not in in_progress:
            left.append(f"{basket['basket_id']} is held by {holder}")
    return "; ".join(left)


def failed_orders_can_be_redriven(world: World, run: Run) -> str:
    parked = [json.loads(message.body) for message in world.queues[PARKED]]
    attempts = {(body["order_number"], body.get("attempt")) for body in parked}
    failed = [order for order in orders(world) if order.get("reason_code") == "PROCESSING_FAILED"]
    given_up = [order for order in failed if order["backend_status"] == "Validation failed"]
    lost = [each for each in given_up if (each["order_number"], each["attempt"]) not in attempts]
    return "; ".join(f"{each['order_number']} failed in attempt {each['attempt']}, parked: {parked}" for each in lost)


def stock_is_that_of_complete_orders(world: World, run: Run) -> str:
    wrong = []
    for order in (each for each in orders(world) if "in_progress" not in each and "lines" in each):
        number, is_complete = order["order_number"], order["backend_status"] == COMPLETE
        state = world.records("reservations").get(number, {}).get("state")
        if (state == "committed") != is_complete or state == "reserved":
            wrong.append(f"{number} is {order['backend_status']}, its reservation {state}")
    return "; ".join(wrong)


def vouchers_are_those_of_complete_orders(world: World, run: Run) -> str:
    redemptions = {item["code"]: item for item in world.items("vouchers.RedemptionsTable")}
    wrong = []
    for order in (each for each in orders(world) if "in_progress" not in each):
        number, is_complete = order["order_number"], order["backend_status"] == COMPLETE
        for discount in order.get("discounts", []):
            redemption = redemptions.get(discount["code"], {})
            is_holder, is_redeemed = redemption.get("order_number") == number, "redeemed_at" in redemption
            if (is_holder and not is_complete) or (is_complete and not (is_holder and is_redeemed)):
                wrong.append(f"{number} is {order['backend_status']}, its voucher {redemption}")
    return "; ".join(wrong)


def charges_are_the_totals_of_complete_orders(world: World, run: Run) -> str:
    charged = sum(each["amount"] for each in world.records("charges").values() if each["status"] == "authorized")
    total = sum(order["amount"] for order in orders(world) if order["backend_status"] == COMPLETE)
    reported = any(world.queues[name] for name in ("orders.PaymentDeadLetters", "payments.SubmittedDeadLetters"))
    return "" if charged == total or reported else f"charged {charged}, complete orders cost {total}"


def record_quantities(world: World) -> None:
    """Record after each write the status of each order, and the pieces that were ever put into each basket."""
    record_statuses(world)
    for basket in world.items("basket.Table"):
        pieces = sum(line["quantity"] for line in basket["lines"].values())
        before, put_in = world.facts.setdefault("pieces", {}).get(basket["basket_id"], (0, 0))
        world.facts["pieces"][basket["basket_id"]] = (pieces, put_in + max(0, pieces - before))


def pieces_are_sold_once(world: World, run: Run) -> str:
    sold: Counter[str] = Counter()
    for order in (each for each in orders(world) if each["backend_status"] == COMPLETE):
        sold[order["basket_id"]] += sum(line["quantity"] for line in order["lines"])
    put_in = {basket: pieces for basket, (_, pieces) in world.facts.get("pieces", {}).items()}
    wrong = [basket for basket, pieces in sold.items() if pieces > put_in.get(basket, pieces)]
    return "; ".join(
        f"{sold[basket]} pieces of {basket} are sold, {put_in[basket]} were put into it" for basket in wrong
    )


INVARIANTS = (
    Invariant("orders", "A basket has one order in progress at most.", one_order_in_progress),
    Invariant("orders", "Only orders in progress hold a basket.", locks_are_held_by_orders_in_progress),
    Invariant("orders", "What was put into a basket is sold once at most.", pieces_are_sold_once),
    Invariant(
        "orders",
        "An order whose processing failed has a parked message of its attempt, to be redriven.",
        failed_orders_can_be_redriven,
    ),
    Invariant("orders", "A complete order has its stock, a failed one none.", stock_is_that_of_complete_orders),
    Invariant("orders", "A complete order has its vouchers, a failed one none.", vouchers_are_those_of_complete_orders),
    Invariant(
        "orders", "All that is charged are totals of complete orders.", charges_are_the_totals_of_complete_orders
    ),
)
# An order with all that it holds makes more calls than one side can switch at often.
MANY_CALLS = Bounds(switches=1, mixed=20, random=20)


def _scenario(name: str, set_up: SetUp, sides: Any, **more: Any) -> Scenario:
    return Scenario(
        "orders",
        name,
        set_up,
        sides,
        afterwards=run_remaining_steps,
        needs=("basket", "tax", "payments", "vouchers", "sequences"),
        watch=record_quantities,
        **{"bounds": MANY_CALLS, **more},
    )


SCENARIOS = (
    _scenario("two tabs order one basket", two_tabs, {"one": tab(0), "other": tab(1)}),
    _scenario(
        "a basket is ordered, and filled again, while a slow request orders what was in it",
        two_tabs_and_more,
        {"slow": tab(0), "other": buy_and_add_more},
    ),
    _scenario("one quotation is ordered twice", two_tabs, {"one": tab(0), "other": tab(0)}, bounds=LONG),
    _scenario(
        "two orders need one voucher",
        two_orders(with_voucher=True),
        {"one": deliver(SUBMIT), "other": deliver(SUBMIT)},
    ),
    _scenario(
        "two orders need the last pieces", two_orders(stock=3), {"one": deliver(SUBMIT), "other": deliver(SUBMIT)}
    ),
    _scenario(
        "an order fails and is closed while a duplicate reserves",
        dead_lettered(ordered_with_voucher()),
        {"process": deliver(SUBMIT), "fail": lambda world: (world.deliver(DEAD), world.deliver(SUBMIT))},
    ),
    _scenario(
        "a complete order is swept while it is closed",
        ordered_with_voucher(deliveries=TO_COMPLETION),
        {"close": deliver(PAYMENT), "sweep": lambda world: (sweep(world), world.deliver(SUBMIT))},
    ),
    _scenario(
        "a declined order is closed while a late duplicate reserves",
        twice(SUBMIT, ordered_with_voucher("tok_declined")),
        {
            "decline": lambda world: (world.deliver(SUBMIT), world.deliver(SUBMITTED), world.deliver(PAYMENT)),
            "late": deliver(SUBMIT),
        },
    ),
    _scenario(
        "an order is redriven while a late duplicate reserves",
        given_up,
        {"redrive": redrive_parked, "late": deliver(SUBMIT)},
    ),
    _scenario(
        "an order is redriven while a dead letter of its first attempt comes late",
        given_up_and_dead_lettered_again,
        {"redrive": redrive_parked, "late": deliver(DEAD)},
    ),
    _scenario(
        "an order is redriven while its basket is ordered again",
        given_up_and_quoted_again,
        {"redrive": redrive_parked, "other": tab(0)},
    ),
)

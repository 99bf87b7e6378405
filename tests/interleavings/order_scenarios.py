"""Orders and their payments: repeated requests, duplicate messages, dead-lettered and swept orders."""

from collections.abc import Callable
from typing import Any

from tests.faults import Fault
from tests.interleavings.basket_scenarios import BASKET, ITEMS, products
from tests.interleavings.scenario import Invariant, Scenario
from tests.interleavings.scheduler import Bounds, Run
from tests.interleavings.state import Message
from tests.interleavings.world import World

SUBMIT, DEAD, PARKED = "orders.SubmitQueue", "orders.SubmitDeadLetters", "orders.ParkedQueue"
PAYMENT, SUBMITTED = "orders.PaymentQueue", "payments.SubmittedQueue"
ORDER = {
    "basket_id": BASKET,
    "customer_id": "C100000001",
    "payment_token": "tok_ok",
    "ship_to": {"name": "Ada", "street": "Brick Lane 1", "city": "Berlin", "postal_code": "10115", "country": "DE"},
}
NEEDS = ("basket", "tax", "payments", "vouchers")
# The order in which an order goes through its statuses.
RANKS = {
    "Validating": 0,
    "Payment processing": 1,
    "Payment authorized": 2,
    "Validation failed": 3,
    "Card declined": 3,
    "Sent to fulfillment": 3,
    "Cancelled": 3,
}


def shop(world: World) -> None:
    """A basket that can be ordered."""
    products(world)
    assert world.request("basket", "POST", ITEMS, {"sku": "SP-1", "quantity": 2}).status == 201
    for name, first in (("order", "100000000"), ("customer", "100000000"), ("voucher", "0")):
        assert world.task("sequences", "RaiseSequence", "Raise", {"sequence": name, "num": first})


def submit(key: str = "form-1", session: str = "", **changed: Any) -> Callable[[World], Any]:
    """A client that sends an order until there is a response."""

    def side(world: World) -> Any:
        body = ORDER | {"customer_id": session or "guest"} | changed
        return world.request_with_retries(
            lambda: world.request("orders", "POST", "/v1/orders", body, key=key, customer_id=session, roles="")
        )

    return side


def ordered(token: str = "tok_ok", deliveries: tuple[str, ...] = ()) -> Callable[[World], None]:
    """An order, and messages about it already delivered from the queues ``deliveries``."""

    def set_up(world: World) -> None:
        shop(world)
        assert submit(payment_token=token)(world).status == 202
        for queue in deliveries:
            assert world.deliver(queue), f"nothing on {queue}"

    return set_up


def twice(queue: str, set_up: Callable[[World], None]) -> Callable[[World], None]:
    """The same, and SQS delivers the message of ``queue`` two times."""

    def both(world: World) -> None:
        set_up(world)
        message = world.queues[queue][0]
        world.queues[queue].append(Message("copy", message.body, dict(message.attributes), message.group))

    return both


def deliver(queue: str, most: int = 1) -> Callable[[World], int]:
    return lambda world: world.deliver(queue, most)


def dead_lettered(set_up: Callable[[World], None]) -> Callable[[World], None]:
    """The same, and a copy of the message is in the dead-letter queue."""

    def both(world: World) -> None:
        twice(SUBMIT, set_up)(world)
        world.queues[DEAD].append(world.queues[SUBMIT].pop())

    return both


def order_without_progress(set_up: Callable[[World], None]) -> Callable[[World], None]:
    """The same, without progress for 400 seconds."""

    def both(world: World) -> None:
        set_up(world)
        world.later(400)

    return both


def next_number_in_use(world: World) -> None:
    """The counter was restored from a backup, so an order has the next number; and the basket has changed since."""
    ordered(deliveries=TO_COMPLETION)(world)
    world.deliver(PAYMENT)
    assert world.request("basket", "POST", ITEMS, {"sku": "SP-2", "quantity": 1}).status == 201
    world.put("sequences.Table", {"id": "order", "num": 100_000_000})
    world.facts["keys"] = True


def order_swept_without_effect(set_up: Callable[[World], None]) -> Callable[[World], None]:
    """The same, and one sweep has not helped."""

    def both(world: World) -> None:
        order_without_progress(set_up)(world)
        assert sweep_now(world) == {"swept": 1}
        world.later(7200)

    return both


def sweep_now(world: World) -> Any:
    return world.scheduled("orders", "retry_stuck_orders")


def sweep(world: World) -> Any:
    world.later(400)
    return world.scheduled("orders", "retry_stuck_orders")


def redrive(world: World) -> None:
    """A person sends a parked message to the submit queue again."""
    for message in world.queues[PARKED]:
        world.queues[SUBMIT].append(message)
    world.queues[PARKED].clear()
    world.deliver(SUBMIT)


def run_remaining_steps(world: World) -> None:
    world.run_automatic_steps(("orders", "retry_stuck_orders"), until=lambda: not orders_end(world, None))


# --- invariants ---


def orders(world: World) -> list[dict[str, Any]]:
    return [item for item in world.items("orders.Table") if "backend_status" in item]


def one_order_per_key(world: World, run: Run) -> str:
    numbers = sorted(order["order_number"] for order in orders(world))
    if len(numbers) > 1 and not world.facts.get("keys"):
        return f"one key has the orders {', '.join(numbers)}"
    accepted = {
        a.body["order_number"] for _, name, a in world.responses if name == "POST orders/v1/orders" and a.status == 202
    }
    missing = accepted - set(numbers)
    return f"accepted, but not stored: {', '.join(missing)}" if missing else ""


def one_charge_per_order(world: World, run: Run) -> str:
    charges = list(world.records("charges").values())
    numbers = [charge["order_number"] for charge in charges]
    return f"charged: {numbers}" if len(numbers) != len(set(numbers)) else ""


def one_charge_per_purchase(world: World, run: Run) -> str:
    authorized = [charge for charge in world.records("charges").values() if charge["status"] == "authorized"]
    return f"{len(authorized)} charges for one basket" if len(authorized) > 1 and not world.facts.get("keys") else ""


def orders_end(world: World, run: Run | None) -> str:
    open_ = [f"{one['order_number']} is {one['backend_status']}" for one in orders(world) if "in_progress" in one]
    return "; ".join(open_)


def charged_orders_are_complete(world: World, run: Run) -> str:
    charges = {charge["order_number"]: charge["status"] for charge in world.records("charges").values()}
    platform = world.records("orders")
    wrong = []
    for order in orders(world):
        number, status = order["order_number"], order["backend_status"]
        complete, charged = status == "Sent to fulfillment", charges.get(number) == "authorized"
        if complete != (number in platform) or (complete and not charged):
            wrong.append(f"{number} is {status}, platform has it: {number in platform}, charged: {charged}")
        reported = any(
            number in message.body
            for queue in ("orders.PaymentDeadLetters", "payments.SubmittedDeadLetters")
            for message in world.queues[queue]
        )
        if charged and not complete and not reported:
            wrong.append(f"{number} is {status}, its charge is authorized, and no dead letter reports it")
    return "; ".join(wrong)


def statuses_go_forward(world: World, run: Run) -> str:
    for number, statuses in world.facts.get("statuses", {}).items():
        ranks = [RANKS[status] for status in statuses]
        if ranks != sorted(ranks) and not world.facts.get("redriven"):
            return f"{number} was {' -> '.join(statuses)}"
        ended = [status for status in statuses if RANKS[status] == 3]
        if len(set(ended)) > 1 and not world.facts.get("redriven"):
            return f"{number} ended twice: {' -> '.join(statuses)}"
    return ""


def swept_once(world: World, run: Run) -> str:
    swept = sum(result["swept"] for result in run.results.values() if isinstance(result, dict) and "swept" in result)
    return f"one stuck order is swept {swept} times" if swept > 1 else ""


def record_statuses(world: World) -> None:
    """Record after each call the status that a customer would see."""
    for order in orders(world):
        statuses = world.facts.setdefault("statuses", {}).setdefault(order["order_number"], [])
        if statuses[-1:] != [order["backend_status"]]:
            statuses.append(order["backend_status"])


def published_once(world: World, run: Run) -> str:
    """The event of a completed order is published for completed orders only, under one id."""
    for order in orders(world):
        number = order["order_number"]
        event_ids = {
            e["meta_data"]["event_id"]
            for e in world.events("CHECKOUT", "ORDER", "COMPLETE")
            if e["data"]["order_number"] == number
        }
        if (order["backend_status"] == "Sent to fulfillment") != (len(event_ids) == 1):
            return f"{number} is {order['backend_status']}, published as complete under {len(event_ids)} ids"
    return ""


def _of(service: str) -> tuple[Invariant, ...]:
    return (
        Invariant(
            service, "An Idempotency-Key has one order, and every order that was accepted is stored.", one_order_per_key
        ),
        Invariant(service, "An order has one charge at most.", one_charge_per_order),
        Invariant(service, "A basket that is submitted once is charged once.", one_charge_per_purchase),
        Invariant(service, "The status of an order only goes forward, and it ends once.", statuses_go_forward),
        Invariant(service, "A stuck order is swept by one of the sweeps at a time.", swept_once),
        Invariant(service, "Every order ends without a person.", orders_end),
        Invariant(
            service,
            "An order is complete if and only if charged and on the platform; else a charge is reported as a dead letter.",
            charged_orders_are_complete,
        ),
        Invariant(
            service,
            "The event of a completed order is published for completed orders only, under one id.",
            published_once,
        ),
    )


INVARIANTS = (*_of("orders"), *_of("payments"))
NO_CRASH = (Fault.LOST, Fault.UNANSWERED, Fault.UNAVAILABLE)
TO_PAYMENT = (SUBMIT,)
TO_COMPLETION = (SUBMIT, SUBMITTED)


def _scenario(service: str, name: str, set_up: Any, sides: Any, **more: Any) -> Scenario:
    needs = tuple(service_name for service_name in (*NEEDS, "orders") if service_name != service)
    return Scenario(
        service, name, set_up, sides, afterwards=run_remaining_steps, needs=needs, watch=record_statuses, **more
    )


# A sweep and what it causes make a dozen calls.
LONG = Bounds(switches=1, mixed=30, random=20)
SCENARIOS = (
    _scenario("orders", "an order number is already in use", next_number_in_use, {"client": submit("form-2")}),
    _scenario("orders", "one form is submitted twice at once", shop, {"first": submit(), "second": submit()}),
    _scenario(
        "orders",
        "a form is submitted again after signing in",
        shop,
        {"guest": submit(), "customer": submit(session="C100000001")},
    ),
    _scenario(
        "orders",
        "a message is delivered twice",
        twice(SUBMIT, ordered()),
        {"one": deliver(SUBMIT), "other": deliver(SUBMIT)},
    ),
    _scenario(
        "orders",
        "an order is dead-lettered while it is processed",
        dead_lettered(ordered()),
        {"process": deliver(SUBMIT), "fail_dead_letter": deliver(DEAD)},
    ),
    _scenario(
        "orders",
        "an order is swept while it is processed",
        ordered(),
        {"process": deliver(SUBMIT), "sweep": sweep},
        bounds=LONG,
    ),
    _scenario(
        "orders",
        "two sweeps of an order that was swept",
        order_swept_without_effect(ordered()),
        {"one": sweep_now, "other": sweep_now},
    ),
    _scenario(
        "orders", "two sweeps at once", order_without_progress(ordered()), {"one": sweep_now, "other": sweep_now}
    ),
    _scenario(
        "orders",
        "a result of the payment comes twice",
        twice(PAYMENT, ordered(deliveries=TO_COMPLETION)),
        {"one": deliver(PAYMENT), "other": deliver(PAYMENT)},
    ),
    _scenario(
        "orders",
        "a paid order is swept while it is completed",
        ordered(deliveries=TO_COMPLETION),
        {"complete": deliver(PAYMENT), "sweep": lambda world: (sweep(world), world.deliver(SUBMIT))},
        bounds=LONG,
    ),
    _scenario(
        "payments",
        "Order submit is delivered twice",
        twice(SUBMITTED, ordered(deliveries=TO_PAYMENT)),
        {"one": deliver(SUBMITTED), "other": deliver(SUBMITTED)},
    ),
    _scenario(
        "payments",
        "a declined card is charged twice at once",
        twice(SUBMITTED, ordered("tok_declined", TO_PAYMENT)),
        {"one": deliver(SUBMITTED), "other": deliver(SUBMITTED)},
    ),
    _scenario(
        "payments",
        "an order is dead-lettered before its payment",
        dead_lettered(ordered()),
        {"process": lambda world: (world.deliver(SUBMIT), world.deliver(SUBMITTED)), "fail_dead_letter": deliver(DEAD)},
    ),
)

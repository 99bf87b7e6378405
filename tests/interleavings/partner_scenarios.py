"""The simulators of external systems: one key, one version and one piece, used twice at once."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.faults import Fault
from tests.interleavings.scenario import Invariant, Scenario
from tests.interleavings.scheduler import Run
from tests.interleavings.state import START, Response
from tests.interleavings.world import World

CUSTOMER = {"customer_id": "C1", "identity_id": "id-of-c1", "name": "Ada", "email": "ada@example.com"}
AWS = (Fault.LOST, Fault.UNANSWERED, Fault.UNAVAILABLE)
# A function may end between the two writes of an order.
WRITERS = (Fault.CRASH_BEFORE, Fault.CRASH_AFTER, Fault.LOST, Fault.UNANSWERED, Fault.UNAVAILABLE)
EXPIRES_MINUTES = 10
REPLACED = "replaced"
NOT_SOLD = "reserved, but not sold"


def charge(amount: int) -> Callable[[World], Any]:
    def side(world: World) -> Any:
        body = {"amount": amount, "currency": "EUR", "payment_token": "tok_ok", "order_number": "T1"}
        return world.partner("POST", "payments/charges", body, **{"idempotency-key": "T1"}).status

    return side


def replace_customer(name: str) -> Callable[[World], Any]:
    def side(world: World) -> Any:
        body = CUSTOMER | {"name": name}
        status = world.partner("PUT", "commerce/customers/C1", body, **{"if-match": '"1"'}).status
        return REPLACED if status == 200 else status

    return side


def stored_customer(world: World) -> None:
    assert world.partner("PUT", "commerce/customers/C1", CUSTOMER, **{"if-none-match": "*"}).status == 201


def one_charge(world: World, run: Run) -> str:
    effects = world.effects("charges")
    return f"the ledger has {len(effects)} charges for one key" if len(effects) > 1 else ""


def version_is_replaced_once(world: World, run: Run) -> str:
    done = [side for side, status in run.results.items() if status == REPLACED]
    return f"{' and '.join(done)} replaced the same version" if len(done) > 1 else ""


# --- stock ---


def sells(**pieces: int) -> Callable[[World], None]:
    """The platform has so many pieces of each product."""

    def set_up(world: World) -> None:
        for sku, stock in pieces.items():
            product = {"name": "Brick", "unit_price": 500, "currency": "EUR", "stock": stock, "version": 1}
            assert world.partner("PUT", f"commerce/products/{sku}", product).status == 201

    return set_up


def reserve(world: World, number: str, *skus: str, minutes: int = EXPIRES_MINUTES, attempt: int = 0) -> Response:
    body = {
        "lines": [{"sku": sku, "quantity": 1} for sku in skus],
        "expires_at": (datetime.fromtimestamp(START, UTC) + timedelta(minutes=minutes)).isoformat(),
        "attempt": attempt,
    }
    return repeat(world, "PUT", f"commerce/reservations/{number}", body)


def order(world: World, number: str, *skus: str) -> Response:
    lines = [{"sku": sku, "quantity": 1} for sku in skus]
    body = {"customer_id": "guest", "lines": lines, "totals": {}, "status": "paid"}
    return repeat(world, "PUT", f"commerce/orders/{number}", body)


def repeat(world: World, method: str, path: str, body: Any = None) -> Response:
    """The response to a request that its sender repeats until there is one."""
    return world.request_with_retries(lambda: world.partner(method, path, body), tries=4)


def reserves(number: str, *skus: str, minutes: int = EXPIRES_MINUTES) -> Callable[[World], Any]:
    return lambda world: reserve(world, number, *skus, minutes=minutes).status


def orders(number: str, *skus: str) -> Callable[[World], Any]:
    return lambda world: order(world, number, *skus).status


def buys(number: str, *skus: str) -> Callable[[World], Any]:
    """Reserve, and place the order if that succeeds; the status of the order, or of the refused reservation."""

    def side(world: World) -> Any:
        status = reserve(world, number, *skus).status
        return places(number, *skus)(world) if status in (200, 201) else status

    return side


def places(number: str, *skus: str) -> Callable[[World], Any]:
    """Place an order that has reserved its pieces."""

    def side(world: World) -> Any:
        status = order(world, number, *skus).status
        return NOT_SOLD if status == 409 else status

    return side


def releases(number: str) -> Callable[[World], Any]:
    return lambda world: repeat(world, "DELETE", f"commerce/reservations/{number}").status


def expires(number: str, *skus: str) -> Callable[[World], Any]:
    """Time passes until earlier reservations have expired; then another order reserves."""

    def side(world: World) -> Any:
        world.later(60 * EXPIRES_MINUTES)
        return reserve(world, number, *skus, minutes=2 * EXPIRES_MINUTES).status

    return side


def reports(sku: str, stock: int) -> Callable[[World], Any]:
    def side(world: World) -> Any:
        body = {"updates": [{"sku": sku, "version": 1, "stock": stock}]}
        return repeat(world, "POST", "commerce/product-updates/sku", body).status

    return side


def reserved(*numbers: str, **pieces: int) -> Callable[[World], None]:
    """Each order has reserved one piece of each product."""

    def set_up(world: World) -> None:
        sells(**pieces)(world)
        for number in numbers:
            assert reserve(world, number, *pieces).status == 201

    return set_up


def stock_is_that_of_the_orders(world: World, run: Run) -> str:
    """The counts of each product against the sales of orders, which are other records."""
    sales = [each for each in world.records("reservations").values() if each["state"] == "committed"]
    for sku in world.records("products"):
        stock = world.partner("GET", f"commerce/stock/{sku}").body
        sold = sum(line["quantity"] for sale in sales for line in sale["lines"] if line["sku"] == sku)
        counts = (stock["sold"], stock["reserved"], stock["available"])
        if stock["sold"] != sold or min(counts) < 0 or sum(counts) != stock["received"]:
            return f"{stock}, with {sold} sold by orders"
    return ""


def orders_are_sold_and_stored_once(world: World, run: Run) -> str:
    sold = {number for number, each in world.records("reservations").items() if each["state"] == "committed"}
    stored = world.records("orders").keys()
    ledger = sorted(entry["order_number"] for entry in world.effects("platform-orders"))
    if ledger != sorted(stored) or not stored <= sold:
        return f"sold are {sorted(sold)}, stored {sorted(stored)}, in the ledger {ledger}"
    return ""


def paid_orders_are_sold(world: World, run: Run) -> str:
    lost = [side for side, status in run.results.items() if status == NOT_SOLD]
    return f"{' and '.join(lost)} had reserved and got nothing" if lost else ""


INVARIANTS = (
    Invariant("partners", "A key has one charge.", one_charge),
    Invariant("partners", "Of two requests that replace the same version, one succeeds.", version_is_replaced_once),
    Invariant("partners", "Sold, reserved and available pieces are those received.", stock_is_that_of_the_orders),
    Invariant("partners", "An order is stored once, after its sale.", orders_are_sold_and_stored_once),
    Invariant("partners", "An order that has reserved its pieces gets them.", paid_orders_are_sold),
)
SCENARIOS = (
    Scenario(
        "partners",
        "one key charges twice at once",
        lambda world: None,
        {"one": charge(100), "other": charge(100)},
        faults=AWS,
    ),
    Scenario(
        "partners",
        "two replace the same customer",
        stored_customer,
        {"one": replace_customer("Ada"), "other": replace_customer("Grace")},
        faults=AWS,
    ),
    Scenario(
        "partners",
        "two orders buy the last piece",
        sells(SP1=1),
        {"one": buys("T1", "SP1"), "other": buys("T2", "SP1")},
        faults=WRITERS,
    ),
    Scenario(
        "partners",
        "two orders reserve the same two products in opposite order",
        sells(SP1=1, SP2=1),
        {"one": buys("T1", "SP1", "SP2"), "other": buys("T2", "SP2", "SP1")},
        faults=AWS,
    ),
    Scenario(
        "partners",
        "one order is placed twice at once",
        reserved("T1", SP1=1),
        {"one": places("T1", "SP1"), "other": places("T1", "SP1")},
        faults=WRITERS,
    ),
    Scenario(
        "partners",
        "an order is placed while its reservation expires",
        reserved("T1", SP1=1),
        {"order": orders("T1", "SP1"), "time": expires("T2", "SP1")},
        faults=AWS,
    ),
    Scenario(
        "partners",
        "a reservation is released while it is repeated late",
        reserved("T1", SP1=1),
        {"release": releases("T1"), "late": reserves("T1", "SP1", minutes=2 * EXPIRES_MINUTES)},
        faults=AWS,
    ),
    Scenario(
        "partners",
        "a reservation is released before it arrives",
        sells(SP1=1),
        {"release": releases("T1"), "late": reserves("T1", "SP1")},
        faults=AWS,
    ),
    Scenario(
        "partners",
        "a reservation is renewed while its order is placed",
        reserved("T1", SP1=1),
        {"renewal": reserves("T1", "SP1", minutes=2 * EXPIRES_MINUTES), "order": places("T1", "SP1")},
        faults=AWS,
    ),
    Scenario(
        "partners",
        "stock is reported while an order is placed",
        reserved("T1", SP1=1),
        {"report": reports("SP1", 3), "order": places("T1", "SP1")},
        faults=AWS,
    ),
)

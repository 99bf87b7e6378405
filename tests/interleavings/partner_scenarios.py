"""The simulators of external systems: one key and one version, used twice at once."""

from collections.abc import Callable
from typing import Any

from tests.faults import Fault
from tests.interleavings.scenario import Invariant, Scenario
from tests.interleavings.scheduler import Run
from tests.interleavings.world import World

CUSTOMER = {"customer_id": "C1", "identity_id": "id-of-c1", "name": "Ada", "email": "ada@example.com"}
AWS = (Fault.LOST, Fault.UNANSWERED, Fault.UNAVAILABLE)


def charge(amount: int) -> Callable[[World], Any]:
    def side(world: World) -> Any:
        body = {"amount": amount, "currency": "EUR", "payment_token": "tok_ok", "order_number": "T1"}
        return world.partner("POST", "payments/charges", body, **{"idempotency-key": "T1"}).status

    return side


def replace_customer(name: str) -> Callable[[World], Any]:
    def side(world: World) -> Any:
        return world.partner("PUT", "commerce/customers/C1", CUSTOMER | {"name": name}, **{"if-match": '"1"'}).status

    return side


def stored_customer(world: World) -> None:
    assert world.partner("PUT", "commerce/customers/C1", CUSTOMER, **{"if-none-match": "*"}).status == 201


def one_charge(world: World, run: Run) -> str:
    effects = world.effects("charges")
    return f"the ledger has {len(effects)} charges for one key" if len(effects) > 1 else ""


def version_is_replaced_once(world: World, run: Run) -> str:
    done = [side for side, status in run.results.items() if status == 200]
    return f"{' and '.join(done)} replaced the same version" if len(done) > 1 else ""


INVARIANTS = (
    Invariant("partners", "A key has one charge.", one_charge),
    Invariant("partners", "Of two requests that replace the same version, one succeeds.", version_is_replaced_once),
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
)

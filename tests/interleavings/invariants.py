"""What holds in every order of calls, as one list: service, sentence, check; and the races after which it is checked."""

from tests.interleavings import (
    basket_scenarios,
    message_scenarios,
    order_scenarios,
    platform_scenarios,
    voucher_scenarios,
)
from tests.interleavings.scenario import Invariant
from tests.interleavings.scheduler import Run
from tests.interleavings.world import World


def no_side_fails(world: World, run: Run) -> str:
    return "; ".join(f"{side}: {error!r}" for side, error in run.errors.items())


INVARIANTS = (
    Invariant("", "No side ends with an error of its own.", no_side_fails),
    *basket_scenarios.INVARIANTS,
    *order_scenarios.INVARIANTS,
    *voucher_scenarios.INVARIANTS,
    *platform_scenarios.INVARIANTS,
    *message_scenarios.INVARIANTS,
)
SCENARIOS = (
    *basket_scenarios.SCENARIOS,
    *order_scenarios.SCENARIOS,
    *voucher_scenarios.SCENARIOS,
    *platform_scenarios.SCENARIOS,
    *message_scenarios.SCENARIOS,
)

"""What holds in every order of calls, as one list: service, sentence, check; and the races after which it is checked."""

from tests.interleavings import (
    basket_scenarios,
    ingestion_scenarios,
    login_scenarios,
    message_scenarios,
    migration_scenarios,
    order_scenarios,
    partner_scenarios,
    sequence_scenarios,
    signup_scenarios,
    sitemap_scenarios,
    tax_scenarios,
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
    *sequence_scenarios.INVARIANTS,
    *login_scenarios.INVARIANTS,
    *tax_scenarios.INVARIANTS,
    *sitemap_scenarios.INVARIANTS,
    *ingestion_scenarios.INVARIANTS,
    *migration_scenarios.INVARIANTS,
    *signup_scenarios.INVARIANTS,
    *partner_scenarios.INVARIANTS,
    *message_scenarios.INVARIANTS,
)
SCENARIOS = (
    *basket_scenarios.SCENARIOS,
    *order_scenarios.SCENARIOS,
    *voucher_scenarios.SCENARIOS,
    *sequence_scenarios.SCENARIOS,
    *login_scenarios.SCENARIOS,
    *tax_scenarios.SCENARIOS,
    *sitemap_scenarios.SCENARIOS,
    *ingestion_scenarios.SCENARIOS,
    *migration_scenarios.SCENARIOS,
    *signup_scenarios.SCENARIOS,
    *partner_scenarios.SCENARIOS,
    *message_scenarios.SCENARIOS,
)

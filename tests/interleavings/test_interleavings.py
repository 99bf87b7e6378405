"""All scenarios in every order of calls, up to two switches or a switch and a fault, and some with more."""

import pytest

from tests.interleavings.invariants import INVARIANTS, SCENARIOS
from tests.interleavings.replaced_aws import world_in_place_of_aws
from tests.interleavings.scenario import Broken, Scenario, examine


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_invariants_hold_in_every_order(scenario: Scenario, monkeypatch: pytest.MonkeyPatch, record_property):
    with world_in_place_of_aws(monkeypatch, scenario.service, *scenario.needs) as world:
        outcome = examine(world, scenario, tuple(one for one in INVARIANTS if one.service in ("", scenario.service)))
    if isinstance(outcome, Broken):
        pytest.fail(str(outcome), pytrace=False)
    record_property("schedules", outcome.schedules)
    record_property("calls", outcome.calls)
    print(
        f"{scenario}: {outcome.schedules} schedules, {outcome.calls} calls, {outcome.ends} ends, {outcome.seconds:.1f} s"
    )

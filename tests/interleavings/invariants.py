"""All invariants (service, sentence, check) and all scenarios after which they are checked."""

import importlib
from pathlib import Path

from tests.interleavings.scenario import Invariant, Scenario
from tests.interleavings.scheduler import Run
from tests.interleavings.world import World


def no_side_fails(world: World, run: Run) -> str:
    return "; ".join(f"{side}: {error!r}" for side, error in run.errors.items())


# Every file ``*_scenarios.py`` has the lists INVARIANTS and SCENARIOS of its services.
_MODULES = [
    importlib.import_module(f"tests.interleavings.{file.stem}")
    for file in sorted(Path(__file__).parent.glob("*_scenarios.py"))
]
INVARIANTS: tuple[Invariant, ...] = (
    Invariant("", "No side ends with an error.", no_side_fails),
    *(invariant for module in _MODULES for invariant in module.INVARIANTS),
)
SCENARIOS: tuple[Scenario, ...] = tuple(scenario for module in _MODULES for scenario in module.SCENARIOS)

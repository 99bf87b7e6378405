"""The races with each clause of each condition weakened in turn, in memory: part of ``make condition-mutation``, no test.

Writes {"file", "function", "text", "noticed_by"} for each clause that a race sends to the file that SETPIECES_WEAKENED names.
"""

import json
import os
from dataclasses import asdict
from pathlib import Path

import pytest

from local.condition_mutation import Clause, service_of
from tests.interleavings.invariants import INVARIANTS, SCENARIOS
from tests.interleavings.scenario import Broken, Scenario, examine
from tests.interleavings.world import world


def test_weaken(monkeypatch: pytest.MonkeyPatch) -> None:
    only, results = os.environ.get("ONLY", ""), Path(os.environ["SETPIECES_WEAKENED"])
    found: dict[Clause, str] = {}
    for scenario in SCENARIOS:
        if only and only != scenario.service:
            continue
        with monkeypatch.context() as patch, world(patch, scenario.service, *scenario.needs) as made:
            as_it_is = examine(made, scenario, _of(scenario))
            assert not isinstance(as_it_is, Broken), str(as_it_is)
            for file, function, text in sorted(made.conditions.seen):
                clause = Clause(file, function, text)
                if found.get(clause) or (only and service_of(file) != only):
                    continue
                made.conditions.weak = (file, function, text)
                broken = examine(made, scenario, _of(scenario))
                made.conditions.weak = None
                name = f"tests/interleavings/test_interleavings.py::test_invariants_hold_in_every_order[{scenario}]"
                found[clause] = name if isinstance(broken, Broken) else ""
        rows = [asdict(clause) | {"noticed_by": test} for clause, test in sorted(found.items())]
        results.write_text(json.dumps(rows, indent=1) + "\n")


def _of(scenario: Scenario) -> tuple:
    return tuple(one for one in INVARIANTS if one.service in ("", scenario.service))

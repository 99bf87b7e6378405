"""Every AWS call of every handler fails once while clients use the whole shop; afterwards all promises hold.

By default each call fails in one way, drawn by ``SETPIECES_SEED``. ``SETPIECES_TORTURE=1`` takes a round for each way, and
several seeds. The injected faults are in ``.local/reports/fault-campaign.md``. docs/resilience.md
"""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from local import emulator_client
from local.cloud.processes import kill_workers
from local.emulator.fault_plan import KINDS
from local.settings import STATE
from tests.resilience.journeys import walk
from tests.resilience.seed import SEED, TORTURE
from tools.client import Shop
from tools.drivers.invariants.runner import INVARIANTS, RECOVERY_SECONDS, format_violations, remaining_violations
from tools.drivers.invariants.violations import Violations
from tools.drivers.promises import Promises

# (seed, kinds of faults): in a round, each call fails in one of its ways.
ROUNDS = [(SEED + number, (kind,)) for number in range(2) for kind in KINDS] if TORTURE else [(SEED, tuple(KINDS))]
# How often everybody walks in a round, and how many faults a caller meets on one walk: what is tried three times bears two.
TURNS = 6 if TORTURE else 3
MOST = 2
CALM_SECONDS = 3
# The part of the calls that a shop without faults makes which have to fail in a round; some only come now and then.
SHARE = 0.9 if TORTURE else 0.75
FAULTS = "/_setpieces/faults"
REPORT = STATE / "reports" / "fault-campaign.md"

Pair = tuple[str, str]


@dataclass
class Round:
    """The faults and results of a round."""

    seed: int
    kinds: tuple[str, ...]
    promises: Promises
    injected: list[dict[str, Any]] = field(default_factory=list)
    missed: set[Pair] = field(default_factory=set)
    seconds: float = 0
    settled: float = 0
    violations: dict[str, Violations] = field(default_factory=dict)

    @property
    def hit(self) -> set[Pair]:
        return {(each["caller"], each["operation"]) for each in self.injected}


@dataclass
class Report:
    """The report of the rounds."""

    usual: set[Pair]
    rounds: list[Round] = field(default_factory=list)

    def write(self) -> None:
        REPORT.parent.mkdir(parents=True, exist_ok=True)
        REPORT.write_text("\n".join(self.lines()) + "\n")

    def lines(self) -> Iterator[str]:
        hit = {pair for each in self.rounds for pair in each.hit}
        yield "# Fault campaign"
        yield f"\n{len(self.usual)} AWS calls in a shop without faults, {len(hit & self.usual)} of them failed,"
        yield f"and {len(hit - self.usual)} that are only made when others fail. A call is a caller and an operation."
        for each in self.rounds:
            yield from self._round(each)
        yield from self._matrix()

    def _round(self, each: Round) -> Iterator[str]:
        yield f"\n## Seed {each.seed}: {', '.join(each.kinds)}"
        yield f"\nPromised: {', '.join(f'{count} {what}' for what, count in each.promises.summary().items())}."
        yield f"Faults: {len(each.injected)} within {each.seconds:.0f} s; everything settled {each.settled:.0f} s later."
        yield f"Not failed: {len(each.missed)}. Violations: {sum(map(len, each.violations.values())) or 'none'}."
        if each.violations:
            yield f"\n    {format_violations(each.violations)}".replace("\n", "\n    ")
        yield "\n| clients of | were answered |\n|---|---|"
        for service in sorted({service for service, _, _ in each.promises.responses}):
            responses = sorted((key[1:], count) for key, count in each.promises.responses.items() if key[0] == service)
            counts = (f"{count} x {status or 'nothing'} {code}".strip() for (status, code), count in responses)
            yield f"| {service} | {', '.join(counts)} |"

    def _matrix(self) -> Iterator[str]:
        """Table of calls by fault kind: number of faults injected."""
        counts = Counter(
            (each["caller"], each["operation"], each["kind"]) for done in self.rounds for each in done.injected
        )
        yield f"\n## Every call\n\n| caller | operation | {' | '.join(KINDS)} |\n|---|---|{'---|' * len(KINDS)}"
        for caller, operation in sorted(self.usual | {pair[:2] for pair in counts}):
            cells = (str(counts[caller, operation, kind] or "") for kind in KINDS)
            yield f"| {caller} | {operation} | {' | '.join(cells)} |"


def faults(method: str, **plan: Any) -> dict[str, Any]:
    """Start a plan (PUT) or its next turn (POST), or end it (DELETE). Returns the calls seen and faults injected."""
    return emulator_client.request(method, FAULTS, json=plan, timeout=60).raise_for_status().json()


@pytest.fixture(scope="module")
def report(shop: Shop) -> Iterator[Report]:
    """Calls made without faults, recorded in new processes with empty caches."""
    kill_workers()
    faults("PUT", kinds=[])
    promises = Promises.of(shop)
    try:
        walk(shop, promises, SEED)
    finally:
        calls = faults("DELETE")["seen"]
    assert not promises.failures, format_violations({"a shop without faults": promises.failures})
    report = Report({(caller, operation) for caller, operation in calls})
    yield report
    print(REPORT.read_text())


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("seed", "kinds"), ROUNDS, ids=lambda value: "-".join(value) if value in ROUNDS else None)
def test_promises_hold_if_every_aws_call_fails_once(shop: Shop, report: Report, seed: int, kinds: tuple[str, ...]):
    done = Round(seed, kinds, Promises.of(shop))
    report.rounds.append(done)
    print(f"To repeat this: SETPIECES_SEED={seed}{' SETPIECES_TORTURE=1' if TORTURE else ''}; report: {REPORT}")
    started = time.monotonic()
    kill_workers()
    faults("PUT", seed=seed, kinds=list(kinds), most=MOST, calm=CALM_SECONDS)
    try:
        for turn in range(TURNS):
            walk(shop, done.promises, seed + turn)
            done.injected = faults("POST")["injected"]
            if report.usual <= done.hit:
                break
    finally:
        done.injected = faults("DELETE")["injected"]
        done.missed = report.usual - done.hit
    lifted = time.monotonic()
    done.seconds = lifted - started
    done.violations = remaining_violations(shop, done.promises, RECOVERY_SECONDS)
    done.settled = time.monotonic() - lifted
    report.write()
    if done.violations:
        pytest.fail(f"seed {seed}, {', '.join(kinds)}: {format_violations(done.violations)}", pytrace=False)
    missed = "\n".join(" ".join(pair) for pair in sorted(done.missed))
    assert len(done.hit & report.usual) >= SHARE * len(report.usual), f"calls that did not fail:\n{missed}"
    assert {each["kind"] for each in done.injected} == set(kinds)


def test_invariants_have_unique_names():
    """Names identify invariants in the report and in docs/resilience.md."""
    assert len({invariant.__name__ for invariant in INVARIANTS}) == len(INVARIANTS) >= 16

"""Black Friday: customers browse, fill baskets and buy through the front door; in the middle there are ten times as many.

    make load [SEED=1] [MINUTES=3]
    python -m bench black_friday

The report has requests, rates, latencies, errors and shed load (429 and 503, each with ``Retry-After``) before, during and
after the spike, and the seconds until latencies are as before. Afterwards queues have to drain, and each accepted order has to
be complete, charged once and shipped once. Two cores handle about a hundredth of the load that the deployed throttles allow,
so the throttles are reduced to a hundredth during the run. Locust simulates the customers (``bench/black_friday_users.py``).

Sizes: ``SETPIECES_LOAD_SEED`` (1), ``SETPIECES_LOAD_MINUTES`` (3), ``SETPIECES_LOAD_USERS`` (3 before the spike),
``SETPIECES_LOAD_THROTTLES`` (0.01). Requests go only to loopback.
"""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from bench.report import Verdict, console, report
from local.settings import FRONT_DOOR, STATE
from model.settings import ROOT
from tools.client import Shop
from tools.drivers.invariants import money, orders, runner, traces
from tools.drivers.products import sell
from tools.drivers.promises import Order, Promises

REPORT = STATE / "reports" / "black_friday.txt"
MAX_MINUTES, MAX_USERS = 15.0, 20
PRODUCTS = 20
SPIKE = 10
# Shares of the time. The warm-up, with cold starts of functions, is not reported.
SHARES = {"warm-up": 0.15, "before": 0.25, "spike": 0.25, "after": 0.35}
THINK_SECONDS = 1.0
SHED = (429, 503)
# Recovered: in a window of this length, the p95 is at most this multiple of the p95 before the spike, and at most this share
# of the requests is shed.
WINDOW_SECONDS, RECOVERED, SHED_SHARE = 5.0, 1.5, 0.02
RECOVERY_SECONDS = 300
# Customers who leave after the spike have this time to finish their request.
STOP_SECONDS = 3
CHECKED = (
    orders.no_order_is_lost,
    orders.no_order_is_in_progress,
    orders.statuses_never_regress,
    money.orders_are_charged_at_most_once,
    money.charges_are_the_totals_of_complete_orders,
    orders.orders_are_shipped_once,
    traces.queues_are_drained,
)


@dataclass(frozen=True)
class Load:
    """Number of customers, and duration."""

    seed: int = 1
    minutes: float = 3.0
    users: int = 3
    # This share of the deployed throttles counts.
    throttles: float = 0.01
    think_seconds: float = THINK_SECONDS
    # To eleven times that they do something else.
    check_outs: int = 1

    def phases(self) -> list[dict[str, Any]]:
        users, seconds = min(self.users, MAX_USERS), min(self.minutes, MAX_MINUTES) * 60
        return [
            {"name": name, "seconds": seconds * share, "users": users * (SPIKE if name == "spike" else 1)}
            for name, share in SHARES.items()
        ]

    @classmethod
    def from_environment(cls) -> "Load":
        def read_setting(name: str, default: float) -> float:
            return float(os.environ.get(f"SETPIECES_LOAD_{name}") or default)

        return cls(
            int(read_setting("SEED", cls.seed)),
            read_setting("MINUTES", cls.minutes),
            int(read_setting("USERS", cls.users)),
            read_setting("THROTTLES", cls.throttles),
        )


@dataclass
class Day:
    """Results: answers {name, at, ms, status, good, advised, problem}; times are in seconds since the beginning.

    ``good`` is an expected status, ``advised`` a response with ``Retry-After``.
    """

    phases: list[dict[str, Any]]
    answers: list[dict[str, Any]] = field(default_factory=list)
    orders: list[str] = field(default_factory=list)
    gave_up: int = 0

    @classmethod
    def read(cls, journal: Path, phases: list[dict[str, Any]]) -> "Day":
        day, began = cls(phases), 0.0
        for text in journal.read_text().splitlines():
            entry = json.loads(text)
            if entry["kind"] == "began":
                began = entry["at"]
            elif entry["kind"] == "order":
                day.orders.append(entry["number"])
            elif entry["kind"] == "gave up":
                day.gave_up += 1
            else:
                day.answers.append(entry | {"at": entry["at"] - began})
        return day

    def begins(self, phase: str) -> float:
        names = [one["name"] for one in self.phases]
        return sum(one["seconds"] for one in self.phases[: names.index(phase)])

    def of(self, phase: str) -> list[dict[str, Any]]:
        """Answers to requests of a phase; the last phase is open-ended."""
        names = [one["name"] for one in self.phases]
        begin = self.begins(phase)
        end = begin + self.phases[names.index(phase)]["seconds"] if phase != names[-1] else float("inf")
        return [answer for answer in self.answers if begin <= answer["at"] < end]

    def recovery_seconds(self) -> tuple[float | None, float | None]:
        """Seconds after the spike until the p95 has recovered, and until no more load is shed than before; None for never."""
        before, end = self.of("before"), self.begins("after")
        slow, shed = RECOVERED * percentile(before, 95), max(SHED_SHARE, _share(self.shed("before"), before))
        windows = [
            (at, [answer for answer in self.answers if end + at <= answer["at"] < end + at + WINDOW_SECONDS])
            for at in range(int(self.phases[-1]["seconds"]))
        ]
        fast = (at for at, window in windows if served(window) and percentile(window, 95) <= slow)
        accepting = (at for at, window in windows if window and _share(_shed(window), window) <= shed)
        return next(fast, None), next(accepting, None)

    def shed(self, phase: str = "") -> list[dict[str, Any]]:
        return _shed(self.of(phase) if phase else self.answers)

    def errors(self, phase: str = "") -> list[dict[str, Any]]:
        """Answers that are neither good nor shed."""
        answers = self.of(phase) if phase else self.answers
        return [answer for answer in answers if not answer["good"] and answer["status"] not in SHED]


def _shed(answers: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [answer for answer in answers if answer["status"] in SHED]


def _share(some: list[Any], of: list[Any]) -> float:
    return len(some) / len(of) if of else 0.0


def served(answers: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [answer for answer in answers if answer["good"]]


def percentile(answers: Iterable[dict[str, Any]], percent: int) -> float:
    """A percentile of the milliseconds of good answers; NaN if there are none."""
    times = sorted(answer["ms"] for answer in served(answers))
    return times[min(len(times) - 1, len(times) * percent // 100)] if times else float("nan")


def generate_load(shop: Shop, load: Load) -> Day:
    """Run locust, in a process of its own because gevent patches the standard library."""
    assert shop.front_door == FRONT_DOOR, "the load may go only to this machine"
    journal = STATE / "reports" / "black_friday.jsonl"
    journal.parent.mkdir(parents=True, exist_ok=True)
    # Products with a stock for all customers.
    products = [sell(shop, "FRIDAY") for _ in range(PRODUCTS)]
    settings = {
        "seed": load.seed,
        "phases": load.phases(),
        "skus": [product["sku"] for product in products],
        "journal": str(journal),
        "think_seconds": load.think_seconds,
        "check_outs": load.check_outs,
    }
    users = Path(__file__).with_name("black_friday_users.py")
    command = [sys.executable, "-m", "locust", "--locustfile", str(users), "--headless", "--host", FRONT_DOOR]
    command += [
        "--stop-timeout",
        str(STOP_SECONDS),
        "--only-summary",
        "--loglevel",
        "WARNING",
        "--exit-code-on-error",
        "0",
    ]
    throttle(load.throttles)
    try:
        subprocess.run(
            command,
            cwd=ROOT,
            env=os.environ | {"SETPIECES_LOAD": json.dumps(settings)},
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=min(load.minutes, MAX_MINUTES) * 60 + 120,
        )
    finally:
        throttle(1)
    return Day.read(journal, load.phases())


def throttle(share: float) -> None:
    httpx.put(f"{FRONT_DOOR}/_front_door/throttles", json={"share": share}, timeout=30).raise_for_status()


def wait_for_recovery(shop: Shop, promises: Promises, day: Day) -> tuple[float, dict[str, list[str]]]:
    """(seconds until all invariants held, remaining violations)"""
    promises.orders += [Order(number, "tok_ok") for number in day.orders]
    began = time.monotonic()
    while True:
        violations = runner.violations(shop, promises, CHECKED)
        if not violations or time.monotonic() - began > RECOVERY_SECONDS:
            return time.monotonic() - began, violations
        time.sleep(1)


def run() -> None:
    shop, load = Shop.from_environment(), Load.from_environment()
    promises = Promises.of(shop)
    day = generate_load(shop, load)
    drained, broken = wait_for_recovery(shop, promises, day)
    rows = [_phase(day, phase) for phase in load.phases() if phase["name"] != "warm-up"]
    recovery, accepting = day.recovery_seconds()
    unadvised = [answer for answer in day.shed() if not answer["advised"]]
    outcome = {
        "orders accepted": len(day.orders),
        "promises broken": sum(map(len, broken.values())),
        "p95 recovered after s": "never" if recovery is None else recovery,
        "shedding ended after s": "never" if accepting is None else accepting,
        "drained after s": drained,
        "customers who gave up": day.gave_up,
    }
    title = f"Black Friday: {load.minutes:g} min, seed {load.seed}, {load.throttles:g} of the throttles"
    report(
        "black_friday",
        title,
        rows,
        _verdicts(day, broken, recovery, unadvised),
        outcome=outcome,
        operations=_operations(day),
        timeline=_timeline(day),
        phases=load.phases(),
        unsuccessful=count_unsuccessful(day),
    )
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    with REPORT.open("w") as file:
        for out in (console, Console(file=file, width=140, highlight=False)):
            _print(out, title, rows if out.file is file else [], day, outcome, broken)
    assert not broken, runner.format_violations(broken)


def count_unsuccessful(day: Day) -> dict[str, int]:
    """The number of unsuccessful responses by operation, status and code."""
    counts = Counter(
        f"{one['name']}: {one['status']} {_code(one['problem'])}".rstrip() for one in day.answers if not one["good"]
    )
    return dict(counts.most_common())


def _code(problem: str) -> str:
    """The code in a problem document, which may be truncated; "" for a page."""
    return problem.partition('"code":')[2].partition('"')[2].partition('"')[0]


def _phase(day: Day, phase: dict[str, Any]) -> dict[str, Any]:
    answers = day.of(phase["name"])
    return {
        "phase": phase["name"],
        "users": phase["users"],
        "requests": len(answers),
        "requests/s": len(answers) / phase["seconds"],
        "served/s": len(served(answers)) / phase["seconds"],
        **{
            f"p{percent} ms": round(percentile(answers, percent)) if served(answers) else "-"
            for percent in (50, 95, 99)
        },
        "429": sum(answer["status"] == 429 for answer in answers),
        "503": sum(answer["status"] == 503 for answer in answers),
        "without Retry-After": sum(not answer["advised"] for answer in day.shed(phase["name"])),
        "errors": len(day.errors(phase["name"])),
    }


def _operations(day: Day) -> list[dict[str, Any]]:
    names = sorted({answer["name"] for answer in day.answers})
    rows = []
    for name in names:
        row: dict[str, Any] = {"operation": name}
        for phase in SHARES:
            answers = [answer for answer in day.of(phase) if answer["name"] == name]
            if phase != "warm-up":
                good = served(answers)
                row[f"{phase}: served"] = f"{len(good)} of {len(answers)}"
                row[f"{phase}: p95 ms"] = round(percentile(good, 95)) if good else "-"
        rows.append(row)
    return rows


def _timeline(day: Day, step: float = 2.0) -> list[dict[str, float]]:
    """Rates and p95 by time, for the plot."""
    last = max((answer["at"] for answer in day.answers), default=0.0)
    points = []
    for number in range(int(last / step) + 1):
        answers = [answer for answer in day.answers if number * step <= answer["at"] < (number + 1) * step]
        good = served(answers)
        points.append(
            {
                "at": number * step,
                "served/s": len(good) / step,
                "shed/s": sum(answer["status"] in SHED for answer in answers) / step,
                "p95 ms": round(percentile(good, 95)) if good else 0,
            }
        )
    return points


def _verdicts(
    day: Day, broken: dict[str, list[str]], recovery: float | None, unadvised: list[dict[str, Any]]
) -> list[Verdict]:
    lost = sum(map(len, broken.values()))
    errors = day.errors()
    return [
        Verdict(
            "10 x spike: orders accepted, complete, charged once, shipped once; queues drained",
            "all",
            f"{len(day.orders)} orders, {lost} broken promises",
            not broken and bool(day.orders),
        ),
        Verdict(
            "10 x spike: shed requests have Retry-After",
            "all",
            f"{len(day.shed())} x 429 or 503, {len(unadvised)} without Retry-After",
            not unadvised,
        ),
        Verdict(
            "10 x spike: other errors",
            "none",
            f"{len(errors)} of {len(day.answers)} answers",
            not errors,
            _reason(errors),
        ),
        Verdict(
            f"10 x spike: p95 recovers to {RECOVERED} x of before",
            "before the end",
            "never" if recovery is None else f"{recovery} s after the spike",
            recovery is not None,
            "" if recovery is not None else "shop, simulators, emulator and customers share two cores",
        ),
    ]


def _reason(errors: list[dict[str, Any]]) -> str:
    if not errors:
        return ""
    failures = ", ".join(sorted({f"{error['name']} {error['status']}" for error in errors}))
    return f"{failures}: functions timed out, because thirty cold starts share two cores"


def _print(
    out: Console,
    title: str,
    rows: list[dict[str, Any]],
    day: Day,
    outcome: dict[str, Any],
    broken: dict[str, list[str]],
) -> None:
    for name, lines in ((title, rows), ("By operation", _operations(day)), ("Afterwards", [outcome])):
        if lines:
            out.print(f"[bold]{name}[/]", soft_wrap=True)
            table = Table(*lines[0])
            for line in lines:
                table.add_row(*(f"{value:.1f}" if isinstance(value, float) else str(value) for value in line.values()))
            out.print(table)
    out.print(f"Unsuccessful responses: {count_unsuccessful(day)}", soft_wrap=True)
    for error in day.errors()[:10]:
        out.print(f"error: {error['name']} {error['status']} {error['problem']}", soft_wrap=True)
    if broken:
        out.print(runner.format_violations(broken), soft_wrap=True)


if __name__ == "__main__":
    run()

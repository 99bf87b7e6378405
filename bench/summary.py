"""``make bench BENCH=summary``: the last results against the targets."""

import json
from typing import Any

from rich.table import Table

from bench.report import RESULTS, console

# Duration and failure of the last run of each benchmark.
RUNS = RESULTS / "runs.json"
# In the order of the table in docs/bench.md; others follow.
ORDER = (
    "cold_init",
    "aws_calls",
    "vouchers",
    "voucher_codes",
    "sequence_rate",
    "feeds",
    "start_time",
    "order_status",
    "ingestion",
    "redirects",
    "sitemaps",
    "scaling",
    "black_friday",
)


def results() -> dict[str, dict[str, Any]]:
    """The last results by benchmark, in the order of the page."""
    documents = {path.stem: json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json")) if path != RUNS}
    return {name: documents[name] for name in sorted(documents, key=lambda name: (_place(name), name))}


def runs() -> dict[str, dict[str, Any]]:
    return json.loads(RUNS.read_text()) if RUNS.exists() else {}


def verdicts() -> list[dict[str, Any]]:
    """{measure, target, measured, met, reason, of} of all measures with a target."""
    return [verdict | {"of": name} for name, result in results().items() for verdict in result.get("verdicts", [])]


def _place(name: str) -> int:
    return ORDER.index(name) if name in ORDER else len(ORDER)


def show() -> None:
    table = Table("measure", "target", "measured", "met", "reason", title="Against the targets", title_justify="left")
    for verdict in verdicts():
        met = "[green]yes[/]" if verdict["met"] else "[red]NO[/]"
        table.add_row(verdict["measure"], verdict["target"], verdict["measured"], met, verdict["reason"])
    console.print(table)
    for name, run in runs().items():
        if run["failure"]:
            console.print(f"[red]{name}[/] failed in its last run: {run['failure']}")

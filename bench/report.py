"""Prints and stores the results of benchmarks."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from model.settings import ROOT

RESULTS = Path(__file__).parent / "results"

# Tables have many columns, which a file has room for.
console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)


@dataclass(frozen=True)
class Verdict:
    """A measure against its target; ``reason`` explains a missed target, or is a note."""

    measure: str
    target: str
    measured: str
    met: bool
    reason: str = ""


def report(name: str, title: str, rows: list[dict[str, Any]], verdicts: Iterable[Verdict] = (), **more: Any) -> None:
    """Print ``rows`` (all with the same keys) as a table and write them to ``bench/results/<name>.json``."""
    verdicts = list(verdicts)
    console.print(f"[bold]{title}[/]", soft_wrap=True)
    table = Table(*rows[0])
    for row in rows:
        table.add_row(*(f"{value:.2f}" if isinstance(value, float) else str(value) for value in row.values()))
    console.print(table)
    for verdict in verdicts:
        console.print(line(verdict), soft_wrap=True)
    RESULTS.mkdir(exist_ok=True)
    result = {
        "title": title,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "rows": rows,
        "verdicts": [asdict(verdict) for verdict in verdicts],
        **more,
    }
    (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n")


def line(verdict: Verdict) -> str:
    text = f"{verdict.measure}: {verdict.measured}; target {verdict.target}"
    return f"{'[green]met[/]' if verdict.met else '[red]MISSED[/]'} {text}" + (
        f" ({verdict.reason})" if verdict.reason else ""
    )


def machine() -> dict[str, Any]:
    """The machine, its load and the commit."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return {
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1024**3),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 1),
        "commit": commit.stdout.strip(),
    }

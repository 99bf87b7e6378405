"""How benchmarks print and keep their figures."""

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results"

console = Console(highlight=False)


def report(name: str, title: str, rows: list[dict[str, Any]]) -> None:
    """Print ``rows`` (all with the same keys) as a table and write them to ``bench/results/<name>.json``."""
    table = Table(*rows[0], title=title, title_justify="left")
    for row in rows:
        table.add_row(*(f"{value:.2f}" if isinstance(value, float) else str(value) for value in row.values()))
    console.print(table)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps({"title": title, "rows": rows}, indent=2) + "\n")

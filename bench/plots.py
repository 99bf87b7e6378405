"""``make bench-docs``: docs/bench.md and its plots (docs/bench/*.svg) from what ``make bench`` has measured last.

The same figures give the same files, byte for byte. Text in plots stays text: a reader's browser brings the font.
"""

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import click

from bench.report import console
from bench.summary import results, runs, verdicts
from local.failures import CommandFailed
from local.settings import ROOT

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAGE, PLOTS = ROOT / "docs" / "bench.md", ROOT / "docs" / "bench"
STYLE: dict[Any, Any] = {
    "svg.hashsalt": "setpieces",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}
INTRODUCTION = """# Benchmarks

What `make bench` measured, against the targets, and how cost grows with the work. Written by `make bench-docs`; not by hand.
Everything runs on one machine: shop, partner simulators, emulated AWS and clients share its cores. So times are compared only
with times of the same run (a ratio and what it is against), and what is counted (AWS calls) is the same everywhere.

    make bench                                 # all but Black Friday; figures go to bench/results
    make bench BENCH="vouchers scaling"        # some
    make bench BENCH=all                       # all; on two cores some twenty minutes
    make load SEED=1 MINUTES=3                 # Black Friday alone
    make bench-docs                            # this page and its plots

"""
READING = """## How to read this

* **Scaling.** A curve that stays level is work that costs the same however much there is of it; where it falls, a fixed
  beginning (a workflow, a mail, a cold start) is shared by more items. Calls and units are what AWS would charge; they
  do not depend on the machine. Redirect rules are held in memory, a kilobyte each.
* **Black Friday.** A share of the deployed throttles counts, as one machine carries a share of the load; API Gateway's
  part of the front door answers 429 before a function is reached, and functions answer 503 when what they need answers
  nothing in time. Both say when to ask again, and customers do as they are told. Latencies are of what was served. What
  was accepted is followed to its end: complete, charged once, shipped once (`local/drivers/invariants.py`).
* **Missed targets** stand in the table with the reason. They are not left out, and not measured again until they fit.

"""
Draw = Callable[[dict[str, Any]], "Figure"]


def _figure(rows: int = 1, height: float = 3.4) -> "tuple[Figure, Any]":
    # Imported late: the import takes a second, and the module is also imported by commands that draw nothing.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, height), layout="constrained")
    return figure, figure.subplots(rows, 1, sharex=True)


def _points(rows: Iterable[dict[str, Any]], key: str) -> dict[str, list[tuple[float, float]]]:
    """(size, value) by curve, without those that have none."""
    found: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        if isinstance(row[key], int | float):
            found.setdefault(row["curve"], []).append((row["size"], row[key]))
    return found


def _scaling(key: str, label: str) -> Draw:
    def draw(result: dict[str, Any]) -> "Figure":
        figure, axes = _figure()
        for number, (name, points) in enumerate(_points(result["rows"], key).items()):
            axes.plot(*zip(*points, strict=True), marker="osD^vPX"[number % 7], markersize=4, linewidth=1.2, label=name)
        axes.set(xscale="log", yscale="log", xlabel="how much there is", ylabel=label)
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
        return figure

    return draw


def _cold_init(result: dict[str, Any]) -> "Figure":
    rows = sorted(result["rows"], key=lambda row: row["ratio"])
    figure, axes = _figure(height=0.6 + 0.2 * len(rows))
    axes.barh([row["function"] for row in rows], [row["ratio"] for row in rows], height=0.6)
    axes.axvline(1.25, color="tab:red", linewidth=1, label="target: at most 1.25")
    axes.axvline(1.0, color="black", linewidth=0.8)
    axes.set(xlabel="cold init against a bare client")
    axes.legend(loc="lower right")
    return figure


def _vouchers(result: dict[str, Any]) -> "Figure":
    figure, axes = _figure()
    counts = [row["vouchers"] for row in result["rows"]]
    for key, label in (("seconds", "batch, from POST to COMPLETE"), ("bare writes s", "bare BatchWriteItem")):
        axes.plot(counts, [row[key] for row in result["rows"]], marker="o", markersize=4, label=label)
    axes.set(xscale="log", yscale="log", xlabel="vouchers", ylabel="seconds")
    axes.legend(loc="upper left")
    return figure


def _black_friday(result: dict[str, Any]) -> "Figure":
    figure, (rates, latency) = _figure(2, 4.4)
    line = result["timeline"]
    at = [point["at"] for point in line]
    rates.fill_between(at, [point["served/s"] for point in line], step="post", alpha=0.5, label="served")
    rates.step(at, [point["shed/s"] for point in line], where="post", color="tab:red", label="shed (429, 503)")
    latency.step(at, [point["p95 ms"] for point in line], where="post", label="p95 of what was served")
    rates.set(ylabel="requests/s")
    latency.set(ylabel="ms", xlabel="seconds", ylim=(0, None))
    begin = 0.0
    for phase in result["phases"]:
        for axes in (rates, latency):
            axes.axvline(begin, color="black", linewidth=0.6, linestyle=":")
        rates.text(
            begin, 1.02, f" {phase['name']}: {phase['users']}", transform=rates.get_xaxis_transform(), fontsize=7
        )
        begin += phase["seconds"]
    rates.legend(loc="upper right")
    latency.legend(loc="upper right")
    return figure


# (result, file, what it shows, how it is drawn)
FIGURES: tuple[tuple[str, str, str, Draw], ...] = (
    ("scaling", "time", "Time per item as there is more of it", _scaling("ms per item", "ms per item")),
    ("scaling", "calls", "AWS calls per item as there is more of it", _scaling("calls per item", "AWS calls per item")),
    ("black_friday", "black_friday", "A Black Friday, second by second", _black_friday),
    ("vouchers", "vouchers", "Voucher batches against the speed of the store", _vouchers),
    ("cold_init", "cold_init", "Cold init of each request-path function", _cold_init),
)


def _cell(value: Any) -> str:
    text = f"{value:.2f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
    return text.replace("|", "\\|")


def _table(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return "Nothing yet.\n\n"
    lines = [list(rows[0]), ["---"] * len(rows[0]), *([_cell(value) for value in row.values()] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines) + "\n"


def _machine(found: dict[str, dict[str, Any]]) -> str:
    """When and on what; each result has its own, as they may be of several runs."""
    told = sorted({f"{m['cores']} cores, {m['memory_gb']} GB, {m['system']}, Python {m['python']}" for m in _of(found)})
    days = sorted({result["at"][:10] for result in found.values()})
    commits = sorted({m["commit"] for m in _of(found)})
    loads = [m["load_before"] for m in _of(found)]
    return (
        f"Measured {' to '.join(dict.fromkeys((days[0], days[-1])))} on {'; '.join(told)}; commit {', '.join(commits)}. "
        f"Load average before each: {min(loads)} to {max(loads)}.\n\n"
    )


def _of(found: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    return [result["machine"] for result in found.values()]


def page(found: dict[str, dict[str, Any]]) -> str:
    """docs/bench.md."""
    against = [
        {
            "measure": verdict["measure"],
            "target": verdict["target"],
            "measured": verdict["measured"],
            "met": "yes" if verdict["met"] else "**no**",
            "why, or what to know": verdict["reason"],
        }
        for verdict in verdicts()
    ]
    text = INTRODUCTION + _machine(found) + "## Against the targets\n\n" + _table(against)
    failed = {name: run["failure"] for name, run in runs().items() if run["failure"]}
    text += "".join(f"**{name} failed** when it was last run: {failure}.\n\n" for name, failure in failed.items())
    for of, file, caption, _ in FIGURES:
        if of in found:
            text += f"![{caption}](bench/{file}.svg)\n\n*{caption}.*\n\n"
    text += READING + "## All figures\n\n"
    for name, result in found.items():
        text += f"### {name}\n\n{result['title']}.\n\n{_table(result['rows'])}"
        if "outcome" in result:
            told = [
                {"what clients were told, other than success": what, "times": n}
                for what, n in result.get("told", {}).items()
            ]
            text += _table([result["outcome"]]) + _table(result["operations"]) + _table(told)
    took = [{"benchmark": name, "seconds": run["seconds"]} for name, run in runs().items()]
    if took:
        total = sum(run["seconds"] for run in runs().values())
        text += f"## How long it takes\n\n{total / 60:.0f} minutes, one after the other.\n\n" + _table(took)
    # "1.25 x": times.
    return re.sub(r"(?<=\d) x\b", " \N{MULTIPLICATION SIGN}", text.rstrip("\n") + "\n")


def write() -> None:
    """Write docs/bench.md and its plots. Raises ``CommandFailed`` if nothing was measured."""
    found = results()
    if not found:
        raise CommandFailed("Nothing has been measured yet: make bench")
    import matplotlib as mpl

    PLOTS.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(STYLE):
        for of, file, _, draw in FIGURES:
            if of in found:
                draw(found[of]).savefig(PLOTS / f"{file}.svg", metadata={"Date": None, "Creator": None})
    PAGE.write_text(page(found))
    console.print(f"docs/bench.md and {len(list(PLOTS.glob('*.svg')))} plots, of {len(found)} results")


@click.command()
def main() -> None:
    """Write docs/bench.md and its plots from what was measured last."""
    write()

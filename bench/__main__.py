"""``make bench``: run benchmarks against the running shop, one after the other, each in a process of its own.

    make bench                         all except long ones, which run only by name: black_friday
    make bench BENCH=all               all
    make bench BENCH="<name> ..."      some
    make bench BENCH=summary           the last results against the targets

Absolute times depend on the machine and its load, so each benchmark measures a baseline in the same run and prints ratios.
Results are printed as tables and stored in ``bench/results/<name>.json``. After a failed benchmark, the others still run.
"""

import importlib
import json
import subprocess
import sys
import time
from pathlib import Path

import click

from bench.report import RESULTS, console
from bench.summary import RUNS
from local.cloud.start import start
from model.settings import ROOT
from tools.failures import did_you_mean

ON_REQUEST = {"black_friday"}
# Time limit of a benchmark.
LIMIT_SECONDS = 1800


@click.command(epilog='make bench BENCH="vouchers scaling"')
@click.argument("benchmarks", envvar="BENCH", nargs=-1)
@click.pass_context
def main(ctx: click.Context, benchmarks: tuple[str, ...]) -> None:
    """Start the shop and run BENCHMARKS (default: all except long ones; also: all, summary)."""
    names = _names()
    if benchmarks == ("summary",):
        importlib.import_module("bench.summary").show()
        return
    default = [name for name in names if name not in ON_REQUEST]
    selected = names if benchmarks == ("all",) else list(benchmarks) or default
    for name in selected:
        if name not in names:
            suggestion = did_you_mean(name, names, count=1)
            raise click.UsageError(f"Unknown benchmark {name}.{suggestion} Benchmarks: {', '.join(names)}.")
    ctx.invoke(start)
    began = time.monotonic()
    failures = {name: failure for name in selected if (failure := _run(name))}
    importlib.import_module("bench.summary").show()
    console.print(f"{len(selected)} benchmarks in {time.monotonic() - began:.0f} s")
    for name, failure in failures.items():
        console.print(f"[red]{name} failed[/]: {failure}", soft_wrap=True)
    raise SystemExit(1 if failures else 0)


def _names() -> list[str]:
    """The benchmarks: modules with a function ``run``. Read without import, because one of the others patches the process."""
    modules = sorted(Path(__file__).parent.glob("*.py"))
    return [module.stem for module in modules if "\ndef run() -> None:" in module.read_text()]


def _run(name: str) -> str:
    """Run one benchmark in a process of its own; return the reason of its failure, "" if it succeeded."""
    console.rule(name)
    began = time.monotonic()
    try:
        process = subprocess.run([sys.executable, "-m", "bench", name], cwd=ROOT, check=False, timeout=LIMIT_SECONDS)
    except subprocess.TimeoutExpired:
        _record(name, began, f"not finished within {LIMIT_SECONDS} s")
        return f"not finished within {LIMIT_SECONDS} s"
    return f"exit code {process.returncode}, see above" if process.returncode else ""


def _run_here(name: str) -> None:
    """Run one benchmark in this process, and record its duration and failure."""
    began = time.monotonic()
    try:
        importlib.import_module(f"bench.{name}").run()
    except BaseException as error:
        _record(name, began, f"{type(error).__name__}: {error}".strip()[:200])
        raise
    _record(name, began, "")


def _record(name: str, began: float, failure: str) -> None:
    RESULTS.mkdir(exist_ok=True)
    runs = json.loads(RUNS.read_text()) if RUNS.exists() else {}
    runs[name] = {"seconds": round(time.monotonic() - began), "failure": failure}
    RUNS.write_text(json.dumps(runs, indent=2, sort_keys=True) + "\n")


if __name__ == "__main__":
    # The process of one benchmark.
    _run_here(sys.argv[1])

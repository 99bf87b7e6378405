"""``make bench``: benchmarks against the running shop, each in turn and in a process of its own.

    make bench                         all but the long ones, which run only by name: black_friday
    make bench BENCH=all               those, too
    make bench BENCH="<name> ..."      these
    make bench BENCH=summary           every measure against its target, as last measured

Absolute times differ between machines and hours; each benchmark prints ratios, and what they are against, measured in one run.
Tables go to the screen, figures to ``bench/results/<name>.json``. A benchmark that fails is reported, and the others go on.
"""

import importlib
import json
import pkgutil
import subprocess
import sys
import time

import click

import bench
from bench.report import RESULTS, console
from bench.summary import RUNS
from local.cloud.start import start
from model.settings import ROOT
from tools.failures import did_you_mean

TOOLS = {
    "__main__",
    "black_friday_users",
    "cost",
    "cost_model",
    "cost_page",
    "limits",
    "operations",
    "plots",
    "prices",
    "quotas",
    "report",
    "saturation",
    "summary",
    "variant",
}
ON_REQUEST = {"black_friday"}
# A benchmark that takes longer hangs.
LIMIT_SECONDS = 1800


@click.command(epilog='make bench BENCH="vouchers scaling"')
@click.argument("benchmarks", envvar="BENCH", nargs=-1)
@click.pass_context
def main(ctx: click.Context, benchmarks: tuple[str, ...]) -> None:
    """Start the shop; run BENCHMARKS (default: all that do not take long; also: all, summary)."""
    names = sorted({module.name for module in pkgutil.iter_modules(bench.__path__)} - TOOLS)
    if benchmarks == ("summary",):
        importlib.import_module("bench.summary").show()
        return
    default = [name for name in names if name not in ON_REQUEST]
    chosen = names if benchmarks == ("all",) else list(benchmarks) or default
    for name in chosen:
        if name not in names:
            suggestion = did_you_mean(name, names, count=1)
            raise click.UsageError(f"There is no benchmark {name}.{suggestion} There are: {', '.join(names)}.")
    ctx.invoke(start)
    began = time.monotonic()
    failures = {name: failure for name in chosen if (failure := _run(name))}
    importlib.import_module("bench.summary").show()
    console.print(f"{len(chosen)} benchmarks in {time.monotonic() - began:.0f} s")
    for name, failure in failures.items():
        console.print(f"[red]{name} failed[/]: {failure}", soft_wrap=True)
    raise SystemExit(1 if failures else 0)


def _run(name: str) -> str:
    """Run one benchmark in a process of its own; why it failed, "" if it did not."""
    console.rule(name)
    began = time.monotonic()
    try:
        done = subprocess.run([sys.executable, "-m", "bench", name], cwd=ROOT, check=False, timeout=LIMIT_SECONDS)
    except subprocess.TimeoutExpired:
        _note(name, began, f"not done within {LIMIT_SECONDS} s")
        return f"not done within {LIMIT_SECONDS} s"
    return f"ended with {done.returncode}, see above" if done.returncode else ""


def _here(name: str) -> None:
    """Run one benchmark, and note how long it took, or why it failed."""
    began = time.monotonic()
    try:
        importlib.import_module(f"bench.{name}").run()
    except BaseException as error:
        _note(name, began, f"{type(error).__name__}: {error}".strip()[:200])
        raise
    _note(name, began, "")


def _note(name: str, began: float, failure: str) -> None:
    RESULTS.mkdir(exist_ok=True)
    runs = json.loads(RUNS.read_text()) if RUNS.exists() else {}
    runs[name] = {"seconds": round(time.monotonic() - began), "failure": failure}
    RUNS.write_text(json.dumps(runs, indent=2, sort_keys=True) + "\n")


if __name__ == "__main__":
    # One benchmark, in the process that is its own.
    _here(sys.argv[1])

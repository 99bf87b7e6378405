"""``make torture`` and ``make load``: long campaigns against the running shop."""

import os
import subprocess
import sys

import click

from local.cloud.start import start
from model.settings import ROOT
from tools.progress import step

# Each kind of fault for each call, and large numbers: hours on two cores.
SIZES = {
    "SETPIECES_TORTURE": "1",
    "SETPIECES_ORDERS": "500",
    "SETPIECES_SIGNUPS": "1000",
    "SETPIECES_FEED": "20000",
    "SETPIECES_VOUCHERS": "200000",
}


@click.command(epilog="make torture SEED=1")
@click.option("--seed", type=int, envvar="SEED", help="Seed of the run, to repeat it.")
@click.pass_context
def torture(ctx: click.Context, seed: int | None) -> None:
    """Start the shop; run the long campaigns of races, tests/resilience and tests/abuse, then remove statements from roles."""
    ctx.invoke(start)
    with step("running the long campaigns of races, tests/resilience and tests/abuse"):
        _run(
            "pytest", "tests/interleavings", "tests/resilience", "tests/abuse", **SIZES, **_seed("SETPIECES_SEED", seed)
        )
    _run("tools.cli", "iam-mutation", **_seed("SEED", seed))


@click.command(epilog="make load SEED=1 MINUTES=3")
@click.option("--seed", type=int, envvar="SEED", help="Seed of the run, to repeat it.")
@click.option("--minutes", type=click.FloatRange(min=0.1), envvar="MINUTES", help="Duration of the spike in minutes.")
@click.pass_context
def load(ctx: click.Context, seed: int | None, minutes: float | None) -> None:
    """Start the shop; multiply the customers by ten for a while, and check their orders."""
    ctx.invoke(start)
    sizes = _seed("SETPIECES_LOAD_SEED", seed) | ({"SETPIECES_LOAD_MINUTES": str(minutes)} if minutes else {})
    with step("Black Friday"):
        _run("bench", "black_friday", **sizes)


def _seed(name: str, seed: int | None) -> dict[str, str]:
    return {} if seed is None else {name: str(seed)}


def _run(module: str, *arguments: str, **environment: str) -> None:
    """``python -m module``, on this terminal. Exits with its exit code if that is not 0."""
    process = subprocess.run(
        [sys.executable, "-m", module, *arguments], cwd=ROOT, env=os.environ | environment, check=False
    )
    if process.returncode:
        raise SystemExit(process.returncode)

"""Every saved edit in the running shop within seconds: ``python -m local.watch``.

Starts the shop if it does not run, then waits for changes of files. What a change affects is derived from the templates and
from the imports of the local processes. Files are checked first; an error is printed with file, line and reason, and the shop
keeps its last good version. Ctrl-C ends the watch; the shop goes on.
"""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click
import yaml
from rich.console import Console
from watchfiles import DefaultFilter, watch

from local import edits, imports
from local.checks import Rejected
from local.deploy import DeployFailed
from local.processes import CannotStart
from local.seed import SeedFailed
from local.settings import ROOT
from local.start import start
from local.update import shown

FAILURES = (Rejected, DeployFailed, CannotStart, SeedFailed, yaml.YAMLError)
WATCHED = (*edits.FOLDERS, *edits.FILES)
# Milliseconds without another change until a change counts as complete: an editor writes a file in several steps.
QUIET = 60

console = Console(highlight=False)


@click.command()
@click.option("--once", is_flag=True, help="Bring in what has changed until now, then end.")
def main(once: bool) -> None:
    """Bring every saved edit into the running shop; start it if it does not run."""
    try:
        start()
    except FAILURES as failure:
        console.print(str(failure), style="red", markup=False, soft_wrap=True)
        raise SystemExit(1) from failure
    if once:
        return
    console.print(f"Watching {', '.join(WATCHED)}. Ctrl-C ends.")
    before = edits.snapshot()
    for _ in _changes():
        before = _bring_in(before)


def _changes() -> Iterator[object]:
    paths = [ROOT / name for name in WATCHED]
    yield from watch(*paths, watch_filter=DefaultFilter(), debounce=1_600, step=QUIET, raise_interrupt=False)


def _bring_in(before: dict[Path, str]) -> dict[Path, str]:
    """Deploy what differs from ``before``; the snapshot to compare with next, also after an error."""
    started = time.monotonic()
    now = edits.snapshot()
    changed = edits.changed(before, now)
    if not changed:
        return before
    console.print(f"{time.strftime('%H:%M:%S')} {shown(changed)}", markup=False)
    try:
        affected = edits.bring_in(lambda stack: console.print(f"  [dim]updating {stack}[/]"))
        what = ", ".join(affected) or "nothing that runs"
        console.print(f"  [green]ok[/] {what} [dim]{time.monotonic() - started:.1f} s[/]", soft_wrap=True)
    except FAILURES as failure:
        console.print(str(failure), style="red", markup=False, soft_wrap=True)
        console.print("  [red]not deployed[/]: the shop keeps its last good version.")
    imports.forget()
    if changed & set(imports.code("local.watch")):
        console.print("  [dim]starting the watch again: its own code has changed[/]")
        os.execv(sys.executable, [sys.executable, "-m", "local.watch"])
    return now


if __name__ == "__main__":
    main()

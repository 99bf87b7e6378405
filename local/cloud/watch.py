"""Every saved edit in the running shop within seconds: ``python -m local.cloud.watch``.

Starts the shop if it does not run, then waits for changes of files. What a change affects is derived from the templates and
from the imports of the local processes. Files are checked first; an error is printed with file, line and reason, and the shop
keeps its last good version. Ctrl-C ends the watch; the shop goes on.
"""

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import click
from rich.console import Console
from watchfiles import DefaultFilter, watch

from local.cloud import edits
from local.cloud.start import FAILURES, start_shop
from local.deployment import handlers, lint
from local.deployment.findings import Rejected
from local.deployment.package import NeedsBuild
from local.deployment.update import shown
from model import sources
from model.settings import ROOT

WATCHED = (*edits.FOLDERS, *edits.FILES)
# The folders of code that this process runs itself.
OWN = [ROOT / folder for folder in ("local", "model", "packages", "tools")]
# Milliseconds without another change until a change counts as complete: an editor writes a file in several steps.
QUIET = 60
# Milliseconds after which files are looked at even if the system reported no change: one may be from before it began to.
UNREPORTED = 2_000

console = Console(highlight=False)


@click.command()
@click.option("--once", is_flag=True, help="Deploy the current changes, then end.")
def main(once: bool) -> None:
    """Deploy each saved edit into the running shop; start the shop if it does not run."""
    before = edits.snapshot()
    try:
        start_shop()
    except FAILURES as failure:
        console.print(str(failure), style="red", markup=False, soft_wrap=True)
        raise SystemExit(1) from failure
    if once:
        return
    threading.Thread(target=_preload, daemon=True).start()
    console.print(f"Watching {', '.join(WATCHED)}. Ctrl-C to stop.", soft_wrap=True)
    for _ in _changes():
        before = _bring_in(before)


def _preload() -> None:
    """What checks need and what takes them longest."""
    handlers.importer(sources.templates())
    lint.preload()


def _changes() -> Iterator[object]:
    yield from watch(
        *(ROOT / name for name in WATCHED),
        watch_filter=DefaultFilter(),
        debounce=1_600,
        step=QUIET,
        rust_timeout=UNREPORTED,
        yield_on_timeout=True,
        raise_interrupt=False,
    )


def _bring_in(before: dict[Path, str]) -> dict[Path, str]:
    """Deploy what differs from ``before``; the snapshot to compare with next, also after an error."""
    started = time.monotonic()
    now = edits.snapshot()
    changed = edits.changed(before, now)
    if not changed:
        return before
    console.print(f"{time.strftime('%H:%M:%S')} {shown(changed)}", markup=False, soft_wrap=True)
    try:
        what = ", ".join(_affected(changed)) or "nothing that runs"
        console.print(f"  [green]ok[/] {what} [dim]{time.monotonic() - started:.1f} s[/]", soft_wrap=True)
    except FAILURES as failure:
        console.print(str(failure), style="red", markup=False, soft_wrap=True)
        console.print("  [red]not deployed[/]: the shop keeps its last good version.")
    with suppress(Rejected):  # printed already
        if any(file.is_relative_to(room) for room in OWN for file in changed):
            console.print("  [dim]starting the watch again: its own code has changed[/]")
            os.execv(sys.executable, [sys.executable, "-m", "local.cloud.watch"])
    return now


def _affected(changed: set[Path]) -> list[str]:
    """Bring in ``changed`` files; the names of what they affect."""
    try:
        return edits.bring_in(changed, lambda stack: console.print(f"  [dim]updating {stack}[/]"))
    except NeedsBuild as reason:
        console.print(f"  [dim]{reason}[/]", soft_wrap=True)
        start_shop()
        handlers.forget()
        return ["the shop"]


if __name__ == "__main__":
    main()

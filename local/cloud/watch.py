"""``make watch``: deploys each saved edit into the running shop within seconds.

Starts the shop if it does not run, then waits for changes of files. The effects of a change are derived from the templates
and from the folders of the local processes. Files are checked first: an error is printed with file, line and reason, and the
shop keeps its last good version. Ctrl-C ends the watch; the shop keeps running.
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
from local.deployment.update import summary
from model import sources
from model.settings import ROOT

WATCHED = (*edits.FOLDERS, *edits.FILES)
# Milliseconds without a further change after which an edit is complete: editors write a file in several steps.
QUIET = 60
# Milliseconds between comparisons without a reported change: an edit may precede the start of the notifications.
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
    """Load the libraries of the checks, which takes seconds."""
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
    """Deploy the differences to ``before``. Returns the next snapshot to compare with, also after an error."""
    started = time.monotonic()
    now = edits.snapshot()
    changed = edits.changed(before, now)
    if not changed:
        return before
    console.print(f"{time.strftime('%H:%M:%S')} {summary(changed)}", markup=False, soft_wrap=True)
    try:
        names = ", ".join(_affected(changed)) or "no stack or process changed"
        console.print(f"  [green]ok[/] {names} [dim]{time.monotonic() - started:.1f} s[/]", soft_wrap=True)
    except FAILURES as failure:
        console.print(str(failure), style="red", markup=False, soft_wrap=True)
        console.print("  [red]not deployed[/]: the shop keeps its last good version.")
    with suppress(Rejected):  # printed already
        if changed & _own_code():
            console.print("  [dim]restarting the watch: its own code has changed[/]")
            os.execv(sys.executable, [sys.executable, "-m", "local.cloud.watch"])
    return now


def _own_code() -> set[Path]:
    """The files of the modules that this process has imported."""
    files = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    return {Path(file) for file in files if file}


def _affected(changed: set[Path]) -> list[str]:
    """Deploy ``changed`` files. Returns the names of the affected stacks and processes."""
    try:
        return edits.bring_in(changed, lambda stack: console.print(f"  [dim]updating {stack}[/]"))
    except NeedsBuild as reason:
        console.print(f"  [dim]{reason}[/]", soft_wrap=True)
        start_shop()
        handlers.forget()
        return ["the shop"]


if __name__ == "__main__":
    main()

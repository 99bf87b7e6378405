"""A long step on the terminal: what runs, and how long it took."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

console = Console(highlight=False)


@contextmanager
def step(what: str) -> Iterator[None]:
    """Show ``what`` while the block runs, then its duration. Where there is no terminal, a line before and one after."""
    started = time.monotonic()
    if not console.is_terminal:
        console.print(f"  .. {what}", markup=False, soft_wrap=True)
    with console.status(what):
        try:
            yield
        except BaseException:
            console.print(f"  [red]failed[/] {what} [dim]{time.monotonic() - started:.1f} s[/]", soft_wrap=True)
            raise
    console.print(f"  [green]ok[/] {what} [dim]{time.monotonic() - started:.1f} s[/]", soft_wrap=True)

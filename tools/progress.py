"""Progress of a long step on the terminal, and its duration."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

console = Console(highlight=False)


@contextmanager
def step(what: str) -> Iterator[None]:
    """Show ``what`` during the block, then its duration. Without a terminal, print a line before and after the block."""
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

"""Prints the command that repeats the run at the end of the report."""

from typing import Any

from tests.abuse.seed import LONG, SEED


def pytest_terminal_summary(terminalreporter: Any) -> None:
    torture = " SETPIECES_TORTURE=1" if LONG else ""
    terminalreporter.write_line(f"The same again: SETPIECES_SEED={SEED}{torture} make test-abuse")

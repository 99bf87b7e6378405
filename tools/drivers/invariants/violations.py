"""Violations of many items, found concurrently."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

THREADS = 8

T = TypeVar("T")
Violations = list[str]


def for_each(items: Iterable[T], check: Callable[[T], Iterable[str]]) -> Violations:
    """The violations that ``check`` yields for each item."""
    with ThreadPoolExecutor(THREADS) as threads:
        return [violation for lines in threads.map(lambda item: list(check(item)), list(items)) for violation in lines]

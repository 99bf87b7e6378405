"""When a page last changed. Pure.

Nobody tells us, so each release remembers for each page a fingerprint of what it shows and the day on which that was new.
Crawlers distrust a ``lastmod`` that is the day of the run; a day on which nothing changed must leave every byte as it was.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Page:
    """``fingerprint`` tells what a page shows, ``changed`` since when, a date (UTC)."""

    path: str
    fingerprint: str
    changed: str


def fingerprint(shown: Any) -> str:
    """The same for the same JSON value, whatever the order of its members."""
    return hashlib.sha256(json.dumps(shown, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:16]


def dated(found: Iterable[tuple[str, str]], known: Iterable[Page], today: str) -> Iterator[Page]:
    """Pages of (path, fingerprint) with the day that is known of them, or today. Both in the order of their paths.

    Of two with the same path the first counts. Raises ``ValueError`` if one is out of order.
    """
    remembered = iter(known)
    before, last = next(remembered, None), ""
    for path, print_ in found:
        if path == last:
            continue
        if path < last:
            raise ValueError(f"{path} comes after {last}")
        last = path
        while before and before.path < path:
            before = next(remembered, None)
        same = before and before.path == path and before.fingerprint == print_
        yield Page(path, print_, before.changed if same and before else today)

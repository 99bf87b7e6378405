"""A cache of the commerce platform's responses in this process.

A response is fresh for 30 s. After that it is loaded again; if the platform is unavailable, the stale one is served for up to
five minutes. Each Lambda process has a cache of its own and handles one request at a time, so nothing is locked.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from catalog.domain import FRESH_SECONDS
from setpieces.errors import ExternalUnavailable, Refused, RetryLater
from setpieces.observability import logger

STALE_SECONDS = 300
# While the platform is unavailable, one request in this time waits for it; the others get a stale response at once.
RETRY_SECONDS = 5
MAX_ENTRIES = 500

Value = TypeVar("Value")


@dataclass(frozen=True)
class Cached(Generic[Value]):
    """A value and its age in seconds."""

    value: Value
    age: int


@dataclass
class _Entry(Generic[Value]):
    value: Value
    loaded_at: float
    reload_at: float


class Cache(Generic[Value]):
    """The ``max_entries`` values that were read last; ``clock`` returns seconds."""

    def __init__(self, max_entries: int = MAX_ENTRIES, clock: Callable[[], float] = time.monotonic) -> None:
        self._entries: OrderedDict[Hashable, _Entry[Value]] = OrderedDict()
        self._max_entries = max_entries
        self._clock = clock

    def read(self, key: Hashable, load: Callable[[], Value]) -> Cached[Value]:
        """Return the cached value, or the result of ``load()`` if there is none or it is not fresh.

        Raises ``RetryLater`` CATALOG_UNAVAILABLE if ``load`` raises ``ExternalUnavailable`` and no value may be served. A
        ``Refused`` of ``load`` removes the entry and is passed on.
        """
        entry = self._entries.get(key)
        if entry is None or self._clock() >= entry.reload_at:
            entry = self._load(key, entry, load)
        self._entries.move_to_end(key)
        return Cached(entry.value, int(self._clock() - entry.loaded_at))

    def _load(self, key: Hashable, stale: _Entry[Value] | None, load: Callable[[], Value]) -> _Entry[Value]:
        try:
            value = load()
        except ExternalUnavailable as error:
            now = self._clock()
            if stale is None or now - stale.loaded_at >= STALE_SECONDS:
                detail = "Products cannot be read at the moment"
                raise RetryLater(error.retry_seconds, detail, "CATALOG_UNAVAILABLE") from error
            logger.warning("stale response served", extra={"reason": str(error), "age": int(now - stale.loaded_at)})
            stale.reload_at = min(now + RETRY_SECONDS, stale.loaded_at + STALE_SECONDS)
            return stale
        except Refused:
            self._entries.pop(key, None)
            raise
        now = self._clock()
        self._entries[key] = _Entry(value, now, now + FRESH_SECONDS)
        if len(self._entries) > self._max_entries:
            self._entries.popitem(last=False)
        return self._entries[key]

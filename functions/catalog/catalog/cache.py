"""Answers of the commerce platform, kept for a short while in this process.

Fresh for 30 s. After that the platform is asked again, and if it gives no answer the old one is served for up to five minutes.
Each Lambda process has a cache of its own and handles one request at a time, so there is nothing to lock and nothing shared.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

from setpieces.errors import ExternalUnavailable, Refused
from setpieces.observability import logger

FRESH_SECONDS = 30
STALE_SECONDS = 300
# While the platform is failing, only one request in so many seconds has to wait for it.
ASK_AGAIN_SECONDS = 5
MAX_ENTRIES = 500


@dataclass(frozen=True)
class Found:
    """A value and how long ago, in seconds, the platform gave it."""

    value: Any
    age: int


@dataclass
class _Entry:
    value: Any
    loaded_at: float
    ask_again_at: float


class Cache:
    """The values used last, at most ``max_entries`` of them; ``clock`` gives seconds."""

    def __init__(self, max_entries: int = MAX_ENTRIES, clock: Callable[[], float] = time.monotonic) -> None:
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()
        self._max_entries = max_entries
        self._clock = clock

    def read(self, key: Hashable, load: Callable[[], Any]) -> Found:
        """The kept value, or that of ``load()``.

        Raises ``ExternalUnavailable`` if ``load`` does and nothing is kept. A ``Refused`` of ``load`` (there is no such
        product) is passed on, and what was kept is forgotten.
        """
        entry = self._entries.get(key)
        if entry is None or self._clock() >= entry.ask_again_at:
            entry = self._load(key, entry, load)
        self._entries.move_to_end(key)
        return Found(entry.value, int(self._clock() - entry.loaded_at))

    def _load(self, key: Hashable, old: _Entry | None, load: Callable[[], Any]) -> _Entry:
        try:
            value = load()
        except ExternalUnavailable as error:
            now = self._clock()
            if old is None or now - old.loaded_at >= STALE_SECONDS:
                raise
            logger.warning("serving an old answer", extra={"reason": str(error), "age": int(now - old.loaded_at)})
            old.ask_again_at = min(now + ASK_AGAIN_SECONDS, old.loaded_at + STALE_SECONDS)
            return old
        except Refused:
            self._entries.pop(key, None)
            raise
        now = self._clock()
        self._entries[key] = _Entry(value, now, now + FRESH_SECONDS)
        if len(self._entries) > self._max_entries:
            self._entries.popitem(last=False)
        return self._entries[key]

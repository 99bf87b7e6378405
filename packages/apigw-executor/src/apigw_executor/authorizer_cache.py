"""What authorizer functions returned, by the values of their identity sources."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

MAX_CACHED = 10_000  # policies; the oldest make room


@dataclass(frozen=True)
class Grant:
    """What an authorizer function returned: who calls, what they may do, what it says of them."""

    principal: str
    policy: Mapping[str, Any]
    context: Mapping[str, str | int | float | bool]
    usage_key: str | None


class GrantCache:
    """Grants by key until their time is over. `clock` is monotonic, in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._grants: dict[tuple[str, ...], tuple[float, Grant]] = {}
        self._lock = threading.Lock()

    def get(self, key: tuple[str, ...]) -> Grant | None:
        """The grant under `key`, None if there is none or its time is over."""
        with self._lock:
            entry = self._grants.get(key)
            if entry is None:
                return None
            until, grant = entry
            if self._clock() >= until:
                del self._grants[key]
                return None
            return grant

    def put(self, key: tuple[str, ...], grant: Grant, ttl: float) -> None:
        """Keeps `grant` for `ttl` seconds."""
        with self._lock:
            while len(self._grants) >= MAX_CACHED:
                del self._grants[next(iter(self._grants))]
            self._grants[key] = (self._clock() + ttl, grant)

    def clear(self) -> None:
        """Forgets all, as a new deployment of the stage does."""
        with self._lock:
            self._grants.clear()

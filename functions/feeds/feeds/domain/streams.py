"""Streams around an upload: one with a limit of bytes, one with bytes in front."""

from __future__ import annotations

import io
from typing import Any

from feeds.domain.rejections import UnreadableFeed


class ByteLimit:
    """The number of bytes that may be read until a record is complete; ``reset`` after each record."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._left = size

    def reset(self) -> None:
        """Allow the full number again."""
        self._left = self._size

    def consume(self, count: int) -> None:
        """Raises ``UnreadableFeed`` RECORD_TOO_LARGE."""
        self._left -= count
        if self._left < 0:
            raise UnreadableFeed("RECORD_TOO_LARGE", f"no record within {self._size} bytes")


class LimitedStream(io.RawIOBase):
    """``stream``, whose reads consume ``limit``. Reading raises ``UnreadableFeed``."""

    def __init__(self, stream: Any, limit: ByteLimit) -> None:
        self._stream = stream
        self._limit = limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = int(self._stream.readinto(buffer) or 0)
        self._limit.consume(count)
        return count


class PrefixedStream(io.RawIOBase):
    """``prefix`` and then ``stream``."""

    def __init__(self, prefix: bytes, stream: io.BufferedReader[Any]) -> None:
        self._prefix = prefix
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        size = len(buffer)
        if self._prefix:
            data, self._prefix = self._prefix[:size], self._prefix[size:]
        else:
            data = self._stream.read1(size)
        buffer[: len(data)] = data
        return len(data)

"""The chunks of a batch, each of which may be generated again. Pure."""

from collections.abc import Collection
from dataclasses import dataclass

CHUNK_SIZE = 5_000


@dataclass(frozen=True)
class Chunk:
    """``count`` numbers from ``first`` on; ``index`` starts at 0."""

    index: int
    first: int
    count: int


def split(first: int, count: int, done: Collection[int] = ()) -> list[Chunk]:
    """The chunks of ``count`` numbers from ``first`` on, without those whose index is in ``done``."""
    return [
        Chunk(index, first + offset, min(CHUNK_SIZE, count - offset))
        for index, offset in enumerate(range(0, count, CHUNK_SIZE))
        if index not in done
    ]


def count_in_chunks(count: int, done: Collection[int]) -> int:
    """The number of vouchers in the chunks ``done`` of a batch of ``count`` vouchers."""
    return sum(min(CHUNK_SIZE, count - index * CHUNK_SIZE) for index in done)

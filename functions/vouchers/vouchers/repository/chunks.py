"""How a batch is divided into chunks that are made one by one, again if need be. Pure."""

from collections.abc import Collection
from dataclasses import dataclass

CHUNK = 5_000


@dataclass(frozen=True)
class Chunk:
    """``count`` numbers from ``first`` on; ``index`` from 0."""

    index: int
    first: int
    count: int


def chunks(first: int, count: int, done: Collection[int] = ()) -> list[Chunk]:
    """The chunks of ``count`` numbers from ``first`` on, without those that are done."""
    return [
        Chunk(index, first + offset, min(CHUNK, count - offset))
        for index, offset in enumerate(range(0, count, CHUNK))
        if index not in done
    ]


def made(count: int, done: Collection[int]) -> int:
    """How many vouchers the chunks that are done hold."""
    return sum(min(CHUNK, count - index * CHUNK) for index in done)

"""The set pieces, who tells whom, and what waits where. Pure.

``architecture.json`` is made from the templates by ``make reference``.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

# By these ends a queue is known as one of messages that somebody has to look at.
DEAD = ("-dlq", "-parked")


@dataclass(frozen=True)
class Queue:
    """``name`` is without ``setpieces-<stage>-``; messages that wait, are being worked on, and are not due yet."""

    name: str
    waiting: int
    in_work: int
    delayed: int

    @property
    def dead_letters(self) -> bool:
        return self.name.removesuffix(".fifo").endswith(DEAD)


@cache
def pieces() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(Path(__file__).with_name("architecture.json").read_text())
    return found


def with_queues(known: list[dict[str, Any]], queues: Iterable[Queue]) -> list[dict[str, Any]]:
    """Each piece with its queues, by name; a queue belongs to the piece with the longest name that its own begins with."""
    owned: dict[str, list[dict[str, Any]]] = {piece["name"]: [] for piece in known}
    for queue in sorted(queues, key=lambda queue: queue.name):
        owners = [name for name in owned if queue.name.startswith(f"{name}-")]
        if owners:
            owned[max(owners, key=len)].append(asdict(queue) | {"dead_letters": queue.dead_letters})
    return [piece | {"queues": owned[piece["name"]]} for piece in known]

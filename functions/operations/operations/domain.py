"""Queues and the services that they belong to. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

# The names of queues whose messages need an operator end with one of these.
DEAD_LETTER_SUFFIXES = ("-dlq", "-parked")


@dataclass(frozen=True)
class Queue:
    """A queue of the stage; ``name`` is without ``setpieces-<stage>-``.

    The counts are of messages that are available (``waiting``), in flight (``in_work``) and delayed.
    """

    name: str
    waiting: int
    in_work: int
    delayed: int

    @property
    def has_dead_letters(self) -> bool:
        """True for a dead-letter queue or a queue of parked messages."""
        return self.name.removesuffix(".fifo").endswith(DEAD_LETTER_SUFFIXES)


def group_by_service(queues: Iterable[Queue], services: Iterable[str]) -> dict[str, list[Queue]]:
    """{service: its queues by name}. A queue belongs to the service with the longest name that is a prefix of its own."""
    groups: dict[str, list[Queue]] = {service: [] for service in services}
    for queue in sorted(queues, key=lambda queue: queue.name):
        owners = [service for service in groups if queue.name.startswith(f"{service}-")]
        if owners:
            groups[max(owners, key=len)].append(queue)
    return groups

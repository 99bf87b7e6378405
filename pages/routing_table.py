"""The routing table of docs/events.md: who publishes each event, and which queues receive it."""

from collections.abc import Iterator

from model import routing
from model.settings import ROOT, STAGE
from pages.blocks import Block, table

PAGE = ROOT / "docs" / "events.md"
COLUMNS = ("event", "producers", "consumer", "rule", "queue", "schema")


def blocks() -> Iterator[Block]:
    yield Block(PAGE, "routing table", table(COLUMNS, rows()))


def rows() -> Iterator[tuple[str, ...]]:
    """One row for each queue that receives an event."""
    for kind in routing.samples():
        producers = ", ".join(source for _, source in routing.producers().get(kind, []))
        schema = f"[schema](../schemas/events/{kind.replace('/', '.').lower()}.json)"
        for route in routing.consumers(kind):
            rule = _code(route.rule) if route.channel == "bus" else f"{route.channel} → {route.rule}"
            yield kind, producers, route.service, rule, _code(route.queue), schema


def _code(name: str) -> str:
    """A resource's name in backticks, without the prefix of the stage."""
    return f"`{name.removeprefix(f'setpieces-{STAGE}-')}`"

"""The state of a world: stored items and objects, messages, events; and snapshots of it."""

import json
import pickle
import re
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from moto.core import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends

from model.settings import REGION
from setpieces import aws
from setpieces.dynamodb_types import to_item
from tests.interleavings.module_globals import global_values, set_globals
from tests.interleavings.scheduler import Run

START = 1_800_000_000
# The members of a snapshot besides tables.
SNAPSHOT = (
    "queues", "deduplicated", "published", "announced", "invoked", "executions", "mappings", "mails", "responses", "facts",
    "objects", "uploads", "down", "_ids",
)  # fmt: skip
Response = SimpleNamespace


@dataclass
class Message:
    """A message of a queue; ``hidden`` while a consumer processes it."""

    message_id: str
    body: str
    attributes: dict[str, str]
    group: str | None = None
    receives: int = 0
    hidden: bool = False


class State:
    """``services`` have their tables, queues and rules here; requests may go to any service."""

    clock: Any = None

    def __init__(self, *services: str) -> None:
        self.services = (*services, "partners")
        self.run: Run | None = None
        self.side = ""
        self.quiet = 0
        self._environments: dict[str, list[Mapping[str, str]]] = defaultdict(list)
        self._globals: dict[str, dict[tuple[str, str], Any]] = {}
        self._initial = global_values()
        self.begin()

    def begin(self) -> None:
        """Reset all state."""
        self.queues: dict[str, list[Message]] = defaultdict(list)
        self.deduplicated: set[str] = set()
        self.published: list[dict[str, Any]] = []
        self.announced: list[tuple[str, str]] = []
        self.invoked: list[tuple[str, Any]] = []
        self.executions: dict[str, dict[str, Any]] = {}
        self.mappings: dict[str, bool] = {}
        self.mails: list[dict[str, Any]] = []
        self.responses: list[tuple[str, str, Response]] = []
        self.facts: dict[str, Any] = {}
        self.objects: dict[str, dict[str, bytes]] = defaultdict(dict)
        self.uploads: dict[str, dict[int, bytes]] = {}
        self.down: set[str] = set()
        self.ticks = False
        self.watch: Callable[[Any], None] = lambda world: None
        self._ids = 0
        self._globals.clear()
        self._environments.clear()
        set_globals(self._initial)
        for table in tables().values():
            table.items.clear()
        self.clock.move_to(START)

    def snapshot(self) -> bytes:
        """All state, for ``restore``."""
        stored = {name: table.items for name, table in tables().items()}
        members = {name: vars(self)[name] for name in SNAPSHOT}
        return pickle.dumps((time.time(), stored, members))

    def restore(self, snapshot: bytes) -> None:
        now, stored, members = pickle.loads(snapshot)
        self._globals.clear()
        self._environments.clear()
        set_globals(self._initial)
        for name, table in tables().items():
            table.items = stored[name]
        vars(self).update(members)
        self.clock.move_to(now)

    def fingerprint(self) -> str:
        """A text that is equal for states that differ only in generated ids."""
        stored = {name: list(table.all_items()) for name, table in tables().items()}
        members = [vars(self)[name] for name in SNAPSHOT if name not in ("_ids",)]
        text = json.dumps([time.time(), stored, members], default=_plain)
        numbered: dict[str, str] = {}
        return _MADE_UP.sub(lambda match: numbered.setdefault(match[0], f"~{len(numbered)}"), text)

    def later(self, seconds: float) -> None:
        self.clock.shift(seconds)

    def next_id(self) -> str:
        self._ids += 1
        return f"id-{self._ids}"

    # --- what is stored ---

    def items(self, table: str) -> list[dict[str, Any]]:
        """Every item of ``<service>.<logical id>``."""
        from setpieces.dynamodb_types import from_item

        items = tables()[table].all_items()
        return [from_item(item.to_json()["Attributes"]) for item in items]

    def put(self, table: str, item: dict[str, Any]) -> None:
        """Store an item for the test; it is no step of a side, so it never fails."""
        self.quiet += 1
        try:
            aws.client("dynamodb").put_item(TableName=table, Item=to_item(item))
        finally:
            self.quiet -= 1

    def files(self, bucket: str) -> set[str]:
        return set(self.objects[bucket])

    def records(self, collection: str) -> dict[str, Any]:
        """The documents of a simulator, by key."""
        return {
            item["key"]: json.loads(item["document"])
            for item in self.items("partners.Table")
            if item["collection"] == collection
        }

    def effects(self, ledger: str) -> list[dict[str, Any]]:
        """The effects that external systems have recorded."""
        return list(self.records(f"ledger/{ledger}").values())

    def events(self, *kind: str) -> list[dict[str, Any]]:
        """The published events of a kind: {meta_data, data}."""
        return [
            event
            for event in self.published
            if tuple(event["meta_data"][name] for name in ("type", "subtype", "status")) == kind
        ]


_MADE_UP = re.compile(r"id-\d+|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{16,64}|[A-Za-z0-9_-]{43}")


def _plain(value: Any) -> Any:
    to_json = getattr(value, "to_json", None)
    if to_json:
        return to_json()
    return sorted(value) if isinstance(value, set) else getattr(value, "__dict__", None) or repr(value)


def tables() -> dict[str, Any]:
    tables: dict[str, Any] = dynamodb_backends[DEFAULT_ACCOUNT_ID][REGION].tables
    return tables

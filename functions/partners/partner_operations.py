"""What an operation of an outside system is, and how one is carried out: read, decide, write once.

Each system is data and rules (``partner_commerce``, ``partner_payments`` ...): a table of ``Operation`` and pure functions
that decide from the request and from what is stored. Reading and writing happens here, the same way for all of them.
"""

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Protocol

from partner_pages import page_start
from partner_schemas import validate

from setpieces.problems import Problem

MAX_TRIES = 10


class Conflict(Exception):
    """Another request changed the record between reading and writing it."""


@dataclass(frozen=True)
class Stored:
    """A stored document and the revision that a write has to replace."""

    revision: int
    document: dict[str, Any]


class Store(Protocol):
    """What operations need of a store; ``partner_store`` is the one in DynamoDB."""

    def read(self, collection: str, key: str) -> Stored | None: ...

    def documents(self, collection: str, prefix: str = "", after: str = "") -> Iterator[tuple[str, dict[str, Any]]]: ...

    def write(
        self, collection: str, key: str, document: dict[str, Any], replaces: Stored | None, entry: "Entry | None"
    ) -> None: ...


@dataclass(frozen=True)
class Call:
    """One request: ids from the path, header names in lower case, ``now`` as RFC 3339 in UTC."""

    ids: dict[str, str]
    query: dict[str, str]
    headers: dict[str, str]
    body: dict[str, Any]
    now: str


@dataclass(frozen=True)
class Outcome:
    """What a rule decided.

    With ``document`` set, it is stored and the ledger gets one entry saying ``effect`` (created, updated, deleted); without it
    nothing happens. ``delay_seconds`` is how long the system takes to say so, after the effect.
    """

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    document: dict[str, Any] | None = None
    effect: str = ""
    delay_seconds: float = 0.0


@dataclass(frozen=True)
class Entry:
    """One line of a ledger: ``content`` is found by ``key``."""

    ledger: str
    key: str
    content: dict[str, Any]


def ledger_collection(ledger: str) -> str:
    """Where the entries of a ledger are stored."""
    return f"ledger/{ledger}"


def ledger_prefix(key: str) -> str:
    """What the keys of the entries for ``key`` begin with."""
    return f"{key}#"


def now() -> str:
    """The time as records have it, RFC 3339 in UTC."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def no_key(call: Call) -> str:
    """The key of operations that store nothing."""
    return ""


@dataclass(frozen=True)
class Operation:
    """One operation of one system.

    ``path`` is relative to ``/v1/``, ``{name}`` stands for an id. ``rule(call, subject)`` gets the document stored in
    ``collection`` under ``key(call)`` (None if there is none), or, if ``lists``, an iterator over the ``(key, document)``
    pairs whose key begins with it. A body is required if there is a ``schema``. Effects are entered in ``ledger`` under
    ``ledger_key`` (default: ``key``).
    """

    name: str
    method: str
    path: str
    rule: Callable[[Call, Any], Outcome]
    collection: str = ""
    key: Callable[[Call], str] = no_key
    schema: dict[str, Any] | None = None
    lists: bool = False
    ledger: str = ""
    ledger_key: Callable[[Call], str] | None = None

    @property
    def system(self) -> str:
        return self.path.partition("/")[0]


def perform(operation: Operation, call: Call, store: Store) -> Outcome:
    """Carry out ``operation``: of concurrent duplicates exactly one has the effect and the ledger entry, the others are
    decided anew from what that one stored. Raises ``Problem``.
    """
    if operation.schema is not None:
        validate(call.body, operation.schema)
    if not operation.collection:
        return operation.rule(call, None)
    key = operation.key(call)
    if operation.lists:
        return operation.rule(call, store.documents(operation.collection, key, page_start(call.query, key)))
    for tries in range(MAX_TRIES):
        time.sleep(random.uniform(0, 0.01 * tries))
        stored = store.read(operation.collection, key)
        outcome = operation.rule(call, stored.document if stored else None)
        if outcome.document is None:
            return outcome
        try:
            store.write(operation.collection, key, outcome.document, stored, _entry(operation, call, key, outcome))
        except Conflict:
            # Decided anew is decided later: ledgers are in the order of the effects.
            call = replace(call, now=now())
            continue
        return outcome
    raise Problem(409, "CONCURRENT_CHANGE", "Others keep changing this record; nothing was changed by this request")


def _entry(operation: Operation, call: Call, key: str, outcome: Outcome) -> Entry | None:
    if not operation.ledger:
        return None
    ledger_key = operation.ledger_key(call) if operation.ledger_key else key
    facts = {
        "key": ledger_key,
        "system": operation.system,
        "operation": operation.name,
        "effect": outcome.effect,
        "recorded_at": call.now,
    }
    return Entry(operation.ledger, ledger_key, (outcome.document or {}) | facts)

"""Operations of external systems, as data: each system is a table of ``Operation`` with rules.

A rule is a pure function that decides from a request and from the stored document. ``workflow.perform`` reads and writes for
all operations in the same way.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Document = dict[str, Any]
# (key, document) in the order of the keys.
Documents = Iterator[tuple[str, Document]]


class Conflict(Exception):
    """Another request changed the record between reading and writing it."""


@dataclass(frozen=True)
class Stored:
    """A stored document and its revision, which a write has to replace."""

    revision: int
    document: Document


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
    """The decision of a rule.

    A ``document`` is stored, and the ledger gets an entry with the ``effect`` (created, updated, deleted); nothing changes
    without one. ``related`` documents, by key, are stored with it. The ledger's entry has the members of ``entry``, by default
    those of the document. ``delay_seconds`` is the time from the effect to the response.
    """

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    document: Document | None = None
    related: Mapping[str, Document] = field(default_factory=dict)
    entry: Document | None = None
    effect: str = ""
    delay_seconds: float = 0.0


@dataclass(frozen=True)
class Entry:
    """One entry of a ledger; callers list entries by ``key``."""

    ledger: str
    key: str
    content: Document


@dataclass(frozen=True)
class Write:
    """A document to store in place of ``replaces`` (None: a new one), and its entries in ledgers."""

    collection: str
    key: str
    document: Document
    replaces: Stored | None
    entries: tuple[Entry, ...] = ()


def no_key(call: Call) -> str:
    """The key of operations that store nothing."""
    return ""


def id_key(name: str) -> Callable[[Call], str]:
    """The key of operations whose record has the id ``name`` of the path as its key."""
    return lambda call: call.ids[name]


@dataclass(frozen=True)
class Related:
    """Documents of another collection that a rule decides over: those with the ``keys`` for the call and its document."""

    collection: str
    keys: Callable[[Call, Document | None], list[str]]


@dataclass(frozen=True)
class Operation:
    """One operation of one system.

    ``path`` is relative to ``/v1/``; ``{name}`` stands for an id. ``rule`` gets the call and the document that is stored in
    ``collection`` under ``key(call)`` (None if there is none). With ``lists`` it gets the ``Documents`` whose keys begin with
    ``key(call)``. A ``schema`` requires a body. ``ledger`` gets an entry for each effect, with ``ledger_key(call)``, by default
    ``key(call)``. With ``batch`` (member, id) the rule decides on each item of that member of the body: the item is the body of
    a call, and its ``id`` is in ``ids``. The response is then 200 with a result for each item.

    With ``related`` the rule gets as third argument those documents that exist, by key; one transaction stores what it changes.
    An operation with a ``first`` step is carried out after that one; a repeat continues after the steps that are done.
    """

    name: str
    method: str
    path: str
    rule: Callable[..., Outcome]
    collection: str = ""
    key: Callable[[Call], str] = no_key
    schema: dict[str, Any] | None = None
    lists: bool = False
    ledger: str = ""
    ledger_key: Callable[[Call], str] | None = None
    batch: tuple[str, str] | None = None
    related: Related | None = None
    first: "Operation | None" = None

    @property
    def system(self) -> str:
        return self.path.partition("/")[0]


def ledger_collection(ledger: str) -> str:
    """The collection of a ledger's entries."""
    return f"ledger/{ledger}"


def ledger_prefix(key: str) -> str:
    """The prefix of the keys of the entries for ``key``."""
    return f"{key}#"


def ledger_entries(operation: Operation, call: Call, key: str, outcome: Outcome) -> tuple[Entry, ...]:
    """The entry for an effect of an operation on the record ``key``; none if the operation has no ledger."""
    if not operation.ledger:
        return ()
    ledger_key = operation.ledger_key(call) if operation.ledger_key else key
    facts = {
        "key": ledger_key,
        "system": operation.system,
        "operation": operation.name,
        "effect": outcome.effect,
        "recorded_at": call.now,
    }
    content = outcome.document if outcome.entry is None else outcome.entry
    return (Entry(operation.ledger, ledger_key, (content or {}) | facts),)

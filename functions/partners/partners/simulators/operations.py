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

from partners.simulators.pages import page_start
from partners.simulators.schemas import is_id, validate
from setpieces.http_refusal import HttpRefusal

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

    def read_all(self, collection: str, keys: list[str]) -> dict[str, Stored]: ...

    def write(self, *writes: "Write") -> None: ...


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


@dataclass(frozen=True)
class Write:
    """A document to be stored if the stored one is still ``replaces``, and what the ledger says of it."""

    collection: str
    key: str
    document: dict[str, Any]
    replaces: Stored | None
    entries: tuple[Entry, ...] = ()


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
    ``ledger_key`` (default: ``key``). With ``each`` (member, id) the rule is asked for each item of that member of the body,
    with the item as body and its ``id`` in ``ids``; the answer is 200 with a result for each.
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
    each: tuple[str, str] | None = None

    @property
    def system(self) -> str:
        return self.path.partition("/")[0]


def perform(operation: Operation, call: Call, store: Store, strike: Callable[[], Any] = lambda: None) -> Outcome:
    """Carry out ``operation``: of concurrent duplicates exactly one has the effect and the ledger entry, the others are
    decided anew from what that one stored. ``strike`` is called once for each thing to be done and may fail it.

    Raises ``HttpRefusal``.
    """
    if operation.schema is not None:
        validate(call.body, operation.schema)
    if operation.each:
        return _perform_each(operation, call, store, strike)
    strike()
    if not operation.collection:
        return operation.rule(call, None)
    key = operation.key(call)
    if operation.lists:
        return operation.rule(call, store.documents(operation.collection, key, page_start(call.query, key)))
    for _ in _tries():
        stored = store.read(operation.collection, key)
        outcome = operation.rule(call, stored.document if stored else None)
        if outcome.document is None:
            return outcome
        try:
            store.write(
                Write(operation.collection, key, outcome.document, stored, _entries(operation, call, key, outcome))
            )
        except Conflict:
            # Decided anew is decided later: ledgers are in the order of the effects.
            call = replace(call, now=now())
            continue
        return outcome
    raise _contended()


def _perform_each(operation: Operation, call: Call, store: Store, strike: Callable[[], Any]) -> Outcome:
    """All effects or none: {results: [{<id>, status, effect?} or {<id>, status, code, detail, retry_after?}]}."""
    member, identifier = operation.each or ("", "")
    struck = [_refusal(strike) for _ in call.body[member]]
    for _ in _tries():
        parts = [
            replace(call, ids={identifier: str(item.get(identifier, ""))}, body=item, now=now())
            for item in call.body[member]
        ]
        keys = list(dict.fromkeys(operation.key(part) for part in parts if is_id(part.ids[identifier])))
        stored = store.read_all(operation.collection, keys)
        documents: dict[str, dict[str, Any] | None] = {
            key: stored[key].document if key in stored else None for key in keys
        }
        entries: dict[str, tuple[Entry, ...]] = {}
        results = []
        for part, problem in zip(parts, struck, strict=True):
            key = operation.key(part)
            try:
                if problem:
                    raise problem
                outcome = operation.rule(part, documents.get(key))
            except HttpRefusal as refused:
                results.append({identifier: part.ids[identifier], **_refused(refused)})
                continue
            if outcome.document is not None:
                documents[key] = outcome.document
                entries[key] = (*entries.get(key, ()), *_entries(operation, part, key, outcome))
            effect = {"effect": outcome.effect} if outcome.effect else {}
            results.append({identifier: part.ids[identifier], "status": outcome.status, **effect})
        writes = [
            Write(operation.collection, key, documents[key] or {}, stored.get(key), written)
            for key, written in entries.items()
        ]
        try:
            if writes:
                store.write(*writes)
        except Conflict:
            continue
        return Outcome(200, {"results": results})
    raise _contended()


def _tries() -> Iterator[None]:
    for tries in range(MAX_TRIES):
        time.sleep(random.uniform(0, 0.01 * tries))
        yield


def _contended() -> HttpRefusal:
    return HttpRefusal(
        409, "CONCURRENT_CHANGE", "Others keep changing this record; nothing was changed by this request"
    )


def _refusal(strike: Callable[[], Any]) -> HttpRefusal | None:
    try:
        strike()
    except HttpRefusal as problem:
        return problem
    return None


def _refused(problem: HttpRefusal) -> dict[str, Any]:
    told: dict[str, Any] = {"status": problem.status, "code": problem.code, "detail": problem.detail}
    if problem.retry_after is not None:
        told["retry_after"] = problem.retry_after
    return told


def _entries(operation: Operation, call: Call, key: str, outcome: Outcome) -> tuple[Entry, ...]:
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
    return (Entry(operation.ledger, ledger_key, (outcome.document or {}) | facts),)

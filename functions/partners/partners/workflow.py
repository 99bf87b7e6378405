"""How an operation is carried out: read, decide by its rule, write once."""

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Protocol

from partners.domain.operations import (
    Call,
    Conflict,
    Document,
    Documents,
    Entry,
    Operation,
    Outcome,
    Related,
    Stored,
    Write,
    ledger_entries,
)
from partners.domain.pages import parse_page_token
from partners.domain.schemas import is_id, validate
from setpieces.http_refusal import HttpRefusal

# Enough for twenty requests that change one record at once. Their callers wait for 2 s.
MAX_ATTEMPTS = 30
MAX_WAIT_SECONDS = 0.1
ATTEMPTS_SECONDS = 1.5


class Store(Protocol):
    """Storage for operations; ``partners.repository`` is the one in DynamoDB."""

    def read(self, collection: str, key: str) -> Stored | None: ...

    def list_documents(self, collection: str, prefix: str = "", after: str = "") -> Documents: ...

    def read_all(self, collection: str, keys: list[str]) -> dict[str, Stored]: ...

    def write(self, *writes: Write) -> None: ...


def utc_now() -> str:
    """The time as stored in documents, RFC 3339 in UTC."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def perform(operation: Operation, call: Call, store: Store, inject_fault: Callable[[], None] = lambda: None) -> Outcome:
    """Carry out an operation.

    Exactly one of several concurrent duplicates has the effect and the ledger entry; the rule decides on the others again, with
    the document of the first. ``inject_fault`` is called once for each effect, and may raise ``HttpRefusal`` to prevent it.

    Raises ``HttpRefusal``.
    """
    if operation.schema is not None:
        validate(call.body, operation.schema)
    if operation.batch:
        return _perform_batch(operation, operation.batch, call, store, inject_fault)
    inject_fault()
    if not operation.collection:
        return operation.rule(call, None)
    key = operation.key(call)
    if operation.lists:
        after = parse_page_token(call.query, key)
        return operation.rule(call, store.list_documents(operation.collection, key, after))
    if operation.first:
        _change(operation.first, call, store)
    return _change(operation, call, store)


def _change(operation: Operation, call: Call, store: Store) -> Outcome:
    """Read the documents of an operation, decide, and store what the rule changes, in one transaction."""
    key = operation.key(call)
    for _ in _attempts():
        stored = store.read(operation.collection, key)
        document = stored.document if stored else None
        try:
            if operation.related:
                outcome, related_writes = _decide_over_related(operation.related, operation, call, stored, store)
            else:
                outcome, related_writes = operation.rule(call, document), []
            if outcome.document is not None:
                entries = ledger_entries(operation, call, key, outcome)
                store.write(Write(operation.collection, key, outcome.document, stored, entries), *related_writes)
        except Conflict:
            # A later time for the next attempt: ledgers are in the order of the effects.
            call = replace(call, now=utc_now())
            continue
        return outcome
    raise _concurrent_change()


def _decide_over_related(
    related: Related, operation: Operation, call: Call, stored: Stored | None, store: Store
) -> tuple[Outcome, list[Write]]:
    """The outcome and the writes of related documents. Raises ``Conflict`` if the documents are not of one moment."""
    document = stored.document if stored else None
    stored_related = store.read_all(related.collection, related.keys(call, document))
    documents = {key: each.document for key, each in stored_related.items()}
    try:
        outcome = operation.rule(call, document, documents)
    except HttpRefusal:
        # Writes are conditional; a refusal writes nothing.
        if store.read(operation.collection, operation.key(call)) != stored:
            raise Conflict from None
        raise
    changes = outcome.related.items()
    return outcome, [Write(related.collection, key, changed, stored_related[key]) for key, changed in changes]


def _perform_batch(
    operation: Operation, batch: tuple[str, str], call: Call, store: Store, inject_fault: Callable[[], None]
) -> Outcome:
    """All effects or none. 200 {results: [{<id>, status, effect?} or {<id>, status, code, detail, retry_after?}]}."""
    member, id_name = batch
    items = call.body[member]
    faults = [_catch_refusal(inject_fault) for _ in items]
    for _ in _attempts():
        calls = [replace(call, ids={id_name: str(item.get(id_name, ""))}, body=item, now=utc_now()) for item in items]
        keys = list(dict.fromkeys(operation.key(each) for each in calls if is_id(each.ids[id_name])))
        stored = store.read_all(operation.collection, keys)
        documents: dict[str, Document | None] = {key: stored[key].document if key in stored else None for key in keys}
        entries: dict[str, tuple[Entry, ...]] = {}
        results = []
        for each, fault in zip(calls, faults, strict=True):
            key = operation.key(each)
            try:
                if fault:
                    raise fault
                outcome = operation.rule(each, documents.get(key))
            except HttpRefusal as refusal:
                results.append({id_name: each.ids[id_name], **_refusal_view(refusal)})
                continue
            if outcome.document is not None:
                documents[key] = outcome.document
                entries[key] = (*entries.get(key, ()), *ledger_entries(operation, each, key, outcome))
            effect = {"effect": outcome.effect} if outcome.effect else {}
            results.append({id_name: each.ids[id_name], "status": outcome.status, **effect})
        writes = [
            Write(operation.collection, key, documents[key] or {}, stored.get(key), key_entries)
            for key, key_entries in entries.items()
        ]
        try:
            if writes:
                store.write(*writes)
        except Conflict:
            continue
        return Outcome(200, {"results": results})
    raise _concurrent_change()


def _attempts() -> Iterator[None]:
    deadline = time.monotonic() + ATTEMPTS_SECONDS
    for attempt in range(MAX_ATTEMPTS):
        if attempt and time.monotonic() > deadline:
            return
        time.sleep(random.uniform(0, min(0.01 * attempt, MAX_WAIT_SECONDS)))
        yield


def _concurrent_change() -> HttpRefusal:
    return HttpRefusal(
        503,
        "CONCURRENT_CHANGE",
        "Other requests keep changing this record; this request changed nothing",
        retry_after=1,
    )


def _catch_refusal(inject_fault: Callable[[], None]) -> HttpRefusal | None:
    try:
        inject_fault()
    except HttpRefusal as refusal:
        return refusal
    return None


def _refusal_view(refusal: HttpRefusal) -> dict[str, Any]:
    view: dict[str, Any] = {"status": refusal.status, "code": refusal.code, "detail": refusal.detail}
    if refusal.retry_after is not None:
        view["retry_after"] = refusal.retry_after
    return view

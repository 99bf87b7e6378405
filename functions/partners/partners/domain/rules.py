"""Rules that several systems share."""

import hashlib
import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

from partners.simulators.operations import Call, Outcome
from partners.simulators.pages import DEFAULT_LIMIT, page_limit, page_token
from partners.simulators.schemas import is_id
from setpieces.http_refusal import HttpRefusal

Pairs = Iterator[tuple[str, dict[str, Any]]]


def not_found(what: str) -> HttpRefusal:
    """404; ``what`` is the kind of thing that was asked for."""
    return HttpRefusal(404, "NOT_FOUND", f"There is no such {what}")


def get(what: str, stored: dict[str, Any] | None) -> Outcome:
    """200 with the stored document. Raises ``HttpRefusal`` 404."""
    if stored is None:
        raise not_found(what)
    return Outcome(200, stored)


def put_once(document: dict[str, Any], stored: dict[str, Any] | None) -> Outcome:
    """201 the first time, 200 for the same again. Raises ``HttpRefusal`` 409 for other content under the same key."""
    if stored is None:
        return Outcome(201, document, document=document, effect="created")
    if stored != document:
        raise HttpRefusal(409, "DIFFERENT_CONTENT", "This key was used before with other content")
    return Outcome(200, stored)


def put_latest(document: dict[str, Any], stored: dict[str, Any] | None) -> Outcome:
    """201 for a new document, 200 for one that replaces another; the same again is no effect."""
    if stored == document:
        return Outcome(200, stored)
    status, effect = (201, "created") if stored is None else (200, "updated")
    return Outcome(status, document, document=document, effect=effect)


def fingerprint(content: dict[str, Any]) -> str:
    """The same for the same content, whatever the order of its members; nothing can be read back from it."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def page(call: Call, pairs: Pairs, name: str = "items", default_limit: int = DEFAULT_LIMIT) -> Outcome:
    """200 with the first ``limit`` documents of ``pairs`` and, if there are more, ``next_page_token``."""
    limit = page_limit(call.query, default_limit)
    found = list(islice(pairs, limit + 1))
    body: dict[str, Any] = {name: [document for _, document in found[:limit]]}
    if len(found) > limit:
        body["next_page_token"] = page_token(found[limit - 1][0])
    return Outcome(200, body)


def header_key(call: Call, header: str) -> str:
    """A key that the caller made up and sent in ``header``. Raises ``HttpRefusal`` 400 if there is no usable one."""
    value = call.headers.get(header.lower(), "")
    if not is_id(value):
        raise HttpRefusal(400, "INVALID_REQUEST", f"The header {header} is required: 1 to 128 of A-Z a-z 0-9 . _ : -")
    return value

"""Rules that several systems share."""

import hashlib
import json

from partners.domain.operations import Call, Document, Outcome
from partners.domain.schemas import is_id
from setpieces.http_refusal import HttpRefusal


def not_found(kind: str) -> HttpRefusal:
    """The 404 for a ``kind`` of document, such as "order"."""
    return HttpRefusal(404, "NOT_FOUND", f"There is no such {kind}")


def get(kind: str, stored: Document | None) -> Outcome:
    """200 with the stored document. Raises ``HttpRefusal`` 404 without one."""
    if stored is None:
        raise not_found(kind)
    return Outcome(200, stored)


def put_once(document: Document, stored: Document | None) -> Outcome:
    """201 the first time, 200 for the same content again. Raises ``HttpRefusal`` 409 for other content under the same key."""
    if stored is None:
        return Outcome(201, document, document=document, effect="created")
    if stored != document:
        raise different_content()
    return Outcome(200, stored)


def put_latest(document: Document, stored: Document | None) -> Outcome:
    """201 for a new document, 200 for one that replaces another. The same content again has no effect."""
    if stored == document:
        return Outcome(200, stored)
    status, effect = (201, "created") if stored is None else (200, "updated")
    return Outcome(status, document, document=document, effect=effect)


def sync_once(call: Call, stored: Document | None) -> Outcome:
    """201 for the first sync of an ``event_id``; a repeat gets 200 with the first one, whatever its content is."""
    if stored:
        return Outcome(200, stored)
    sync = call.body | {"customer_id": call.ids["customer_id"]}
    return Outcome(201, sync, document=sync, effect="created")


def sync_key(call: Call) -> str:
    """The key of a customer's sync."""
    return f"{call.ids['customer_id']}/{call.body['event_id']}"


def different_content() -> HttpRefusal:
    """The 409 for a key whose first request had another content."""
    return HttpRefusal(409, "DIFFERENT_CONTENT", "This key was used before with other content")


def fingerprint(content: Document) -> str:
    """A digest that is the same for the same content, whatever the order of its members. It does not reveal the content."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def parse_key_header(call: Call, header: str) -> str:
    """The key that the caller chose and sent in ``header``. Raises ``HttpRefusal`` 400 without a valid one."""
    value = call.headers.get(header.lower(), "")
    if not is_id(value):
        raise HttpRefusal(400, "INVALID_REQUEST", f"The header {header} is required: 1 to 128 of A-Z a-z 0-9 . _ : -")
    return value

"""The ledgers: what the outside systems really did, one entry per effect, in the order of the effects."""

import re

from partner_operations import Call, Operation, Outcome, ledger_collection, ledger_prefix
from partner_rules import Pairs, page
from partner_schemas import ID_PATTERN, MAX_ID_LENGTH

from setpieces.problems import invalid

LEDGERS = ("charges", "shipments", "platform-orders", "customers", "products")
DEFAULT_LIMIT = 100


def list_entries(call: Call, pairs: Pairs) -> Outcome:
    return page(call, pairs, "entries", DEFAULT_LIMIT)


def _prefix(call: Call) -> str:
    key = call.query.get("key", "")
    if not re.match(ID_PATTERN, key) or len(key) > MAX_ID_LENGTH:
        raise invalid("/key", "is required: the key of the charge, shipment, order, customer or product")
    return ledger_prefix(key)


OPERATIONS = tuple(
    Operation("list_entries", "GET", f"ledger/{name}", list_entries, ledger_collection(name), _prefix, lists=True)
    for name in LEDGERS
)

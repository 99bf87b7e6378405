"""The ledgers: what the external systems really did, one entry per effect, in the order of the effects."""

from partners.domain.operations import Call, Documents, Operation, Outcome, ledger_collection, ledger_prefix
from partners.domain.pages import list_page
from partners.domain.schemas import invalid, is_id

LEDGERS = ("charges", "shipments", "platform-orders", "customers", "products")
DEFAULT_LIMIT = 100


def list_entries(call: Call, entries: Documents) -> Outcome:
    return list_page(call, entries, "entries", DEFAULT_LIMIT)


def _prefix(call: Call) -> str:
    key = call.query.get("key", "")
    if not is_id(key):
        raise invalid("/key", "is required: the key of the charge, shipment, order, customer or product")
    return ledger_prefix(key)


OPERATIONS = tuple(
    Operation("list_entries", "GET", f"ledger/{name}", list_entries, ledger_collection(name), _prefix, lists=True)
    for name in LEDGERS
)

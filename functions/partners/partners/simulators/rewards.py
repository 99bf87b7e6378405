"""The rewards platform: members with points and a tier.

member {customer_id, rewards_id, identity_id, points, tier}
"""

from typing import Any

from partners.domain.rules import get, put_latest
from partners.simulators.operations import Call, Operation, Outcome
from partners.simulators.schemas import ID, record, same, text, whole
from setpieces.http_refusal import HttpRefusal

MEMBER = record({"rewards_id": ID, "identity_id": ID, "points": whole(0), "tier": text(40, 1)}, {"customer_id": ID})
SYNC = record({"event_id": ID})


def get_member(call: Call, stored: dict[str, Any] | None) -> Outcome:
    return get("member", stored)


def put_member(call: Call, stored: dict[str, Any] | None) -> Outcome:
    """Write the member; with ``If-None-Match: *`` only if there is none. Raises ``HttpRefusal`` 412 then."""
    same(call.body, "customer_id", call.ids["customer_id"])
    if stored and call.headers.get("if-none-match") == "*":
        raise HttpRefusal(412, "PRECONDITION_FAILED", "There is a member already")
    return put_latest(call.body | {"customer_id": call.ids["customer_id"]}, stored)


def sync_member(call: Call, stored: dict[str, Any] | None) -> Outcome:
    """One effect per ``event_id``; a repeat is answered from the first, whatever else it says."""
    if stored:
        return Outcome(200, stored)
    sync = call.body | {"customer_id": call.ids["customer_id"]}
    return Outcome(201, sync, document=sync, effect="created")


def _customer_id(call: Call) -> str:
    return call.ids["customer_id"]


_MEMBER = "rewards/members/{customer_id}"

OPERATIONS = (
    Operation("get_member", "GET", _MEMBER, get_member, "members", _customer_id),
    Operation("put_member", "PUT", _MEMBER, put_member, "members", _customer_id, MEMBER),
    Operation(
        "sync_member",
        "POST",
        f"{_MEMBER}/syncs",
        sync_member,
        "member-syncs",
        lambda call: f"{call.ids['customer_id']}/{call.body['event_id']}",
        SYNC,
        ledger="customers",
        ledger_key=_customer_id,
    ),
)

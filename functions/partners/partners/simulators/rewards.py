"""The rewards platform: members with points and a tier.

member {customer_id, rewards_id, identity_id, points, tier}
"""

from typing import Any

from partners.domain.operations import Call, Operation, Outcome, id_key
from partners.domain.rules import get, put_latest, sync_key, sync_once
from partners.domain.schemas import ID, check_id, integer, object_of, string
from setpieces.http_refusal import HttpRefusal

MEMBER = object_of(
    {"rewards_id": ID, "identity_id": ID, "points": integer(0), "tier": string(40, 1)}, {"customer_id": ID}
)
SYNC = object_of({"event_id": ID})


def get_member(call: Call, stored: dict[str, Any] | None) -> Outcome:
    return get("member", stored)


def put_member(call: Call, stored: dict[str, Any] | None) -> Outcome:
    """Create or replace a member. Raises ``HttpRefusal`` 412 for one that exists if ``If-None-Match: *`` asks for a new one."""
    check_id(call.body, "customer_id", call.ids["customer_id"])
    if stored and call.headers.get("if-none-match") == "*":
        raise HttpRefusal(412, "PRECONDITION_FAILED", "There is a member already")
    return put_latest(call.body | {"customer_id": call.ids["customer_id"]}, stored)


_MEMBER = "rewards/members/{customer_id}"
_customer_id = id_key("customer_id")

OPERATIONS = (
    Operation("get_member", "GET", _MEMBER, get_member, "members", _customer_id),
    Operation("put_member", "PUT", _MEMBER, put_member, "members", _customer_id, MEMBER),
    Operation(
        "sync_member",
        "POST",
        f"{_MEMBER}/syncs",
        sync_once,
        "member-syncs",
        sync_key,
        SYNC,
        ledger="customers",
        ledger_key=_customer_id,
    ),
)

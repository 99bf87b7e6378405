"""A customer's records: the customer on the commerce platform, the member on the rewards platform. Pure."""

from typing import Any

from setpieces.errors import Refused

# The commerce platform maintains these itself; if they were sent back, old times would be stored for new values.
PLATFORM_MEMBERS = ("version", "updated_at")
# Marks a record that this service has written: the event relay publishes no update that has this origin.
ORIGIN = "shop"


def apply_patch(customer: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """``customer`` with one level of a JSON merge patch applied: null removes a member, other values replace it.

    https://www.rfc-editor.org/rfc/rfc7396
    """
    unchanged = {name: value for name, value in customer.items() if name not in patch}
    return unchanged | {name: value for name, value in patch.items() if value is not None}


def without_platform_members(customer: dict[str, Any]) -> dict[str, Any]:
    """The record as it is sent to the platform: of our origin, without the members that the platform maintains."""
    return {name: value for name, value in customer.items() if name not in PLATFORM_MEMBERS} | {"origin": ORIGIN}


def new_customer_record(customer_id: str, identity_id: str, name: str, email: str) -> dict[str, Any]:
    """{customer_id, identity_id, name, email, addresses, marketing_opt_in, origin}: no addresses, no opt-in."""
    return {
        "customer_id": customer_id,
        "identity_id": identity_id,
        "name": name,
        "email": email,
        "addresses": [],
        "marketing_opt_in": False,
        "origin": ORIGIN,
    }


def new_member_record(customer_id: str, identity_id: str) -> dict[str, Any]:
    """{customer_id, rewards_id, identity_id, points, tier}: customer C100000001 is R100000001, bronze, with 0 points."""
    return {
        "customer_id": customer_id,
        "rewards_id": f"R{customer_id.removeprefix('C')}",
        "identity_id": identity_id,
        "points": 0,
        "tier": "bronze",
    }


def profile_not_found() -> Refused:
    """403, as from the authorizer: the customer was deleted after the session was authorized."""
    return Refused("PROFILE_NOT_FOUND", "There is no such profile")

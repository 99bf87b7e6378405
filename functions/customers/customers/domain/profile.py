"""A customer's profile: what its owner sees of the commerce platform's record, and what a patch makes of it. Pure."""

from typing import Any

SHOWN = ("customer_id", "name", "email", "phone", "addresses", "marketing_opt_in")
MEMBER_SHOWN = ("customer_id", "points", "tier")
# Kept by the platform itself; sent back, old times would stand for the new values.
PLATFORMS_OWN = ("version", "updated_at")
# Updates that the platform reports with this origin are our own, and the relay drops them.
ORIGIN = "shop"


def shown(customer: dict[str, Any]) -> dict[str, Any]:
    """{customer_id, name, email, phone?, addresses?, marketing_opt_in?}; identity, origin and bookkeeping stay inside."""
    return {name: customer[name] for name in SHOWN if name in customer}


def member_shown(member: dict[str, Any]) -> dict[str, Any]:
    """{customer_id, points, tier}."""
    return {name: member[name] for name in MEMBER_SHOWN if name in member}


def merged(customer: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """``customer`` with ``patch`` applied as RFC 7396 says for one level: null takes away, anything else replaces."""
    kept = {name: value for name, value in customer.items() if name not in patch}
    return kept | {name: value for name, value in patch.items() if value is not None}


def to_store(customer: dict[str, Any]) -> dict[str, Any]:
    """The record as it is sent to the platform."""
    return {name: value for name, value in customer.items() if name not in PLATFORMS_OWN} | {"origin": ORIGIN}


def new_record(customer_id: str, identity_id: str, name: str, email: str) -> dict[str, Any]:
    """A new customer for the commerce platform."""
    return {
        "customer_id": customer_id,
        "identity_id": identity_id,
        "name": name,
        "email": email,
        "addresses": [],
        "marketing_opt_in": False,
        "origin": ORIGIN,
    }


def new_member(customer_id: str, identity_id: str) -> dict[str, Any]:
    """A new member for the rewards platform."""
    return {
        "customer_id": customer_id,
        "rewards_id": f"R{customer_id.removeprefix('C')}",
        "identity_id": identity_id,
        "points": 0,
        "tier": "bronze",
    }

"""Bodies of responses. Pure. Identity, origin and other internal members of the platforms' records are left out."""

from typing import Any

PROFILE_MEMBERS = ("customer_id", "name", "email", "phone", "addresses", "marketing_opt_in")
REWARDS_MEMBERS = ("customer_id", "points", "tier")


def profile_view(customer: dict[str, Any]) -> dict[str, Any]:
    """{customer_id, name, email, phone?, addresses?, marketing_opt_in?} of a record of the commerce platform."""
    return {name: customer[name] for name in PROFILE_MEMBERS if name in customer}


def rewards_view(member: dict[str, Any]) -> dict[str, Any]:
    """{customer_id, points, tier} of a record of the rewards platform."""
    return {name: member[name] for name in REWARDS_MEMBERS if name in member}

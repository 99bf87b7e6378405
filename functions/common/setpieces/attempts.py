"""Limits on the number of attempts within a time, such as sign-ins with one password or mails to one address.

Attempts are members of sets, counted by the write that adds one: of two concurrent attempts only one can be the last that is
allowed, and a write that the SDK repeats counts once.
"""

import hashlib
from collections.abc import Mapping

from setpieces import dynamodb
from setpieces.dynamodb import ConditionFailed


def subject_digest(text: str) -> str:
    """The digest that stands in a table for an e-mail address, as ``comparable_email`` gives it, or a network address."""
    return hashlib.sha256(text.encode()).hexdigest()


def add_attempt(table: str, key: dict[str, str], attempt: str, limits: Mapping[str, int], expires_at: int) -> bool:
    """Count ``attempt`` in each of the sets that ``limits`` names, unless one of them is full; then in none.

    ``limits`` says how many attempts each set of the item ``key`` takes until ``expires_at`` (TTL). One that was admitted
    before is admitted again.
    """
    sets = {f"#s{n}": name for n, name in enumerate(limits)}
    most = {f":m{n}": limit for n, limit in enumerate(limits.values())}
    has_room = (
        f"(attribute_not_exists({name}) OR size({name}) < {limit} OR contains({name}, :attempt))"
        for name, limit in zip(sets, most, strict=True)
    )
    try:
        dynamodb.update_if(
            table,
            key,
            set={"expires_at": expires_at},
            add={name: {attempt} for name in limits},
            condition=" AND ".join(has_room),
            values={**sets, **most, ":attempt": attempt},
        )
    except ConditionFailed:
        return False
    return True


def remove_attempt(table: str, key: dict[str, str], attempt: str, limits: Mapping[str, int]) -> None:
    """Remove ``attempt`` from the sets."""
    dynamodb.update_if(table, key, delete={name: {attempt} for name in limits})

"""Data that another version of a service has stored or sent: versions run side by side, in a canary and after a rollback."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

Kind = TypeVar("Kind")

# A field of this name holds what a newer version has stored, so that this one can store it again.
UNKNOWN = "unknown"


def from_stored(kind: type[Kind], stored: Mapping[str, Any]) -> Kind:
    """A dataclass from those members of ``stored`` that it has fields for; others go to its field ``unknown``, if any."""
    names = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    members = {name: value for name, value in stored.items() if name in names - {UNKNOWN}}
    if UNKNOWN in names:
        members[UNKNOWN] = {name: value for name, value in stored.items() if name not in members}
    return kind(**members)


def to_stored(instance: Any) -> dict[str, Any]:
    """The members of a dataclass as they are stored: those that this version knows, and those that it does not."""
    members = {field.name: getattr(instance, field.name) for field in fields(instance)}
    return {**members.pop(UNKNOWN, {}), **members}

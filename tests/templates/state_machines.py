"""State machines, and the tasks in them."""

from collections.abc import Iterator
from typing import Any

from model.templates import Piece, pieces

MACHINES = [
    (piece, name)
    for piece in pieces().values()
    for name, resource in piece.source["Resources"].items()
    if resource["Type"] in ("AWS::Serverless::StateMachine", "AWS::StepFunctions::StateMachine")
]


IDS = [f"{piece.service}-{name}" for piece, name in MACHINES]


def scopes(machine: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The machine, and each map and branch in it: what has a StartAt and States of its own."""
    yield machine
    for state in machine["States"].values():
        for nested in (*state.get("Branches", []), state.get("ItemProcessor"), state.get("Iterator")):
            if nested:
                yield from scopes(nested)


def tasks(machine: dict[str, Any]) -> list[dict[str, Any]]:
    return [state for scope in scopes(machine) for state in scope["States"].values() if state["Type"] == "Task"]


def substitutions(piece: Piece, name: str) -> dict[str, Any]:
    return piece.source["Resources"][name]["Properties"].get("DefinitionSubstitutions", {})

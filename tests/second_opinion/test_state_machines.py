"""State machines by npm's ``asl-validator``: another reading of the Amazon States Language than cfn-lint's."""

import json
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from model.templates import Piece, definition
from tests.second_opinion import tools
from tests.templates.state_machines import IDS, MACHINES, scopes, substitutions, tasks

ASL_VALIDATOR = "asl-validator@4.0.0"
VALIDATE = """
const validator = require('asl-validator');
const machines = JSON.parse(require('fs').readFileSync(0, 'utf8'));
console.log(JSON.stringify(machines.map(machine => validator(machine).errors)));
"""


def faults(machines: list[dict[str, Any]]) -> list[list[Any]]:
    """The validator's messages for each definition."""
    done = subprocess.run(
        (tools.node(), "--eval", VALIDATE),
        input=json.dumps(machines),
        env={"NODE_PATH": str(tools.npm(ASL_VALIDATOR))},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return json.loads(done.stdout)


def deployed(piece: Piece, name: str) -> str:
    """A definition with its substitutions, as CloudFormation makes them."""
    text = json.dumps(definition(piece, name))
    for key, value in substitutions(piece, name).items():
        text = text.replace(f"${{{key}}}", piece.resolve(value))
    return text


def start_nowhere(machine: dict[str, Any]) -> None:
    machine["StartAt"] = "Nowhere"


def misspell(machine: dict[str, Any]) -> None:
    tasks(machine)[0]["Retri"] = []


def drop_type(machine: dict[str, Any]) -> None:
    del next(iter(list(scopes(machine))[-1]["States"].values()))["Type"]


def break_path(machine: dict[str, Any]) -> None:
    tasks(machine)[0]["InputPath"] = "$.a["


BREAKS = (start_nowhere, misspell, drop_type, break_path)


def test_every_definition_is_valid_to_another_validator():
    messages = faults([json.loads(deployed(piece, name)) for piece, name in MACHINES])
    assert dict(zip(IDS, messages, strict=True)) == {name: [] for name in IDS}


@pytest.mark.parametrize("broken", BREAKS)
def test_the_validator_finds_a_fault_in_every_definition(broken: Callable[[dict[str, Any]], None]):
    machines = [json.loads(deployed(piece, name)) for piece, name in MACHINES]
    for machine in machines:
        broken(machine)
    assert all(faults(machines))

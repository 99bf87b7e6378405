"""State machines as their templates deploy them: valid, JSONPath, complete in their substitutions, failures and permissions.

The emulator does not enforce the roles of state machines, so what each task needs is read from its definition here.
"""

import json
import re
from typing import Any

import pytest
from cfnlint.api import lint_all

from model.grants import role_grants
from model.settings import ROOT
from model.templates import Piece, definition
from tests.templates.state_machines import IDS, MACHINES, scopes, substitutions, tasks

# Actions that an integration is not named after.
# https://docs.aws.amazon.com/step-functions/latest/dg/integrate-services.html
ACTIONS = {
    "lambda:Invoke": {"lambda:InvokeFunction"},
    "states:StartExecution.sync": {"states:StartExecution"},
    "s3:CopyObject": {"s3:GetObject", "s3:PutObject"},
}


def test_every_definition_is_deployed():
    used = {piece.source["Resources"][name]["Properties"].get("DefinitionUri") for piece, name in MACHINES}
    assert used == {f"../statemachines/{path.name}" for path in (ROOT / "statemachines").iterdir()}


@pytest.mark.parametrize(("piece", "name"), MACHINES, ids=IDS)
def test_a_definition_is_valid(piece: Piece, name: str):
    """cfn-lint knows the language but does not follow DefinitionUri, so it gets the definition in place."""
    text = json.dumps(definition(piece, name))
    for key, value in substitutions(piece, name).items():
        text = text.replace(f"${{{key}}}", piece.resolve(value))
    properties = {"Definition": json.loads(text), "RoleArn": "arn:aws:iam::123456789012:role/any"}
    template = {"Resources": {"Machine": {"Type": "AWS::StepFunctions::StateMachine", "Properties": properties}}}
    matches = lint_all(json.dumps(template))
    assert [match.message for match in matches if match.rule.id.startswith("E")] == []


@pytest.mark.parametrize(("piece", "name"), MACHINES, ids=IDS)
def test_every_transition_leads_to_a_state_and_every_state_is_reached(piece: Piece, name: str):
    for scope in scopes(definition(piece, name)):
        targets = {target for state in scope["States"].values() for target in transitions(state)}
        assert targets | {scope["StartAt"]} == set(scope["States"])


def transitions(state: dict[str, Any]) -> set[str]:
    rules = (state, *state.get("Choices", []), *state.get("Catch", []))
    return {rule[name] for rule in rules for name in ("Next", "Default") if name in rule}


@pytest.mark.parametrize(("piece", "name"), MACHINES, ids=IDS)
def test_a_definition_is_jsonpath(piece: Piece, name: str):
    text = json.dumps(definition(piece, name))
    assert "JSONata" not in text
    assert "{%" not in text


@pytest.mark.parametrize(("piece", "name"), MACHINES, ids=IDS)
def test_every_substitution_is_set_by_the_template(piece: Piece, name: str):
    used = set(re.findall(r"\$\{([^}]+)\}", json.dumps(definition(piece, name))))
    assert used == set(substitutions(piece, name))


@pytest.mark.parametrize(("piece", "name"), MACHINES, ids=IDS)
def test_every_task_retries_and_catches(piece: Piece, name: str):
    machine = definition(piece, name)
    assert all(task["Retry"] for task in tasks(machine))
    assert uncaught(machine) == []


def uncaught(scope: dict[str, Any]) -> list[str]:
    """Tasks whose errors are caught neither by themselves nor by a map or branch around them."""
    tasks = []
    for name, state in scope["States"].items():
        if "Catch" not in state:
            tasks += [name] if state["Type"] == "Task" else []
            tasks += [inner for nested in list(scopes({"States": {name: state}}))[1:] for inner in uncaught(nested)]
    return tasks


@pytest.mark.parametrize(("piece", "name"), MACHINES, ids=IDS)
def test_the_role_allows_exactly_the_calls_of_the_tasks(piece: Piece, name: str):
    machine = piece.of_type("AWS::StepFunctions::StateMachine")[name]
    granted = {action for action, _ in role_grants(piece, machine["RoleArn"])}
    called = set(
        re.findall(
            r'arn:\$\{Partition\}:states:::([\w:-]+?)(?:\.waitForTaskToken)?"', json.dumps(definition(piece, name))
        )
    )
    needed = {action for integration in called for action in _actions(integration)}
    assert needed <= granted
    # Distributed maps start their children and nested executions are watched through rules that AWS manages.
    assert {action for action in granted - needed if not action.startswith(("states:", "events:", "logs:"))} == set()


def _actions(integration: str) -> set[str]:
    service, _, call = integration.removeprefix("aws-sdk:").partition(":")
    action = f"{service}:{call[0].upper()}{call[1:]}"
    return ACTIONS.get(action, {action})

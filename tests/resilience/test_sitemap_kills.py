"""A run that is stopped in any state leaves a complete release; the next run succeeds."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from model.settings import ROOT
from tests.integration.crawler import PATIENCE, crawl
from tests.integration.products import put_product
from tools.client import Shop, eventually, unique
from tools.feeds import admin_session
from tools.sitemaps import start, wait_for_run

# States of a run that publishes a release, in order.
BEFORE_THE_INDEX = ["Plan", "Generate", "Check", "CopyFiles", "CopyRobots", "Release"]
AFTER_THE_INDEX = ["Invalidate", "Verify", "MarkReleased", "CleanUp"]
HELD = "Held"


def insert_wait(definition: dict[str, Any], state: str) -> dict[str, Any]:
    """The workflow with a wait before ``state``."""
    states = {name: redirect_transitions(each, state) for name, each in definition["States"].items()}
    return definition | {"States": states | {HELD: {"Type": "Wait", "Seconds": 600, "Next": state}}}


def redirect_transitions(value: Any, state: str) -> Any:
    if isinstance(value, list):
        return [redirect_transitions(each, state) for each in value]
    if isinstance(value, dict):
        return {
            name: HELD if name in ("Next", "Default") and each == state else redirect_transitions(each, state)
            for name, each in value.items()
        }
    return value


@contextmanager
def pause_before(shop: Shop, state: str) -> Iterator[None]:
    """Pause runs started in the block before ``state``."""
    steps, arn = shop.aws("stepfunctions"), shop.address("sitemaps", "state-machine-arn")
    deployed = steps.describe_state_machine(stateMachineArn=arn)["definition"]
    steps.update_state_machine(stateMachineArn=arn, definition=json.dumps(insert_wait(json.loads(deployed), state)))
    try:
        yield
    finally:
        steps.update_state_machine(stateMachineArn=arn, definition=deployed)


def last_entered(shop: Shop, arn: str) -> str:
    pages = shop.aws("stepfunctions").get_paginator("get_execution_history").paginate(executionArn=arn)
    events = [event for page in pages for event in page["events"] if "stateEnteredEventDetails" in event]
    return events[-1]["stateEnteredEventDetails"]["name"] if events else ""


@pytest.mark.parametrize("state", BEFORE_THE_INDEX + AFTER_THE_INDEX)
def test_a_run_stopped_in_any_state_leaves_a_complete_release(shop: Shop, state: str):
    session, steps = admin_session(shop), shop.aws("stepfunctions")
    origin = f"https://{shop.address('edge', 'site-host')}"
    assert wait_for_run(shop, session, start(shop, session), PATIENCE)["status"] in ("RELEASED", "UNCHANGED")
    before = set(crawl(shop, origin))
    after = before | {f"{origin}/products/{put_product(shop, sku=unique('KILLED'))['sku']}"}

    with pause_before(shop, state):
        path = start(shop, session)
        machine = shop.address("sitemaps", "state-machine-arn")
        arn = f"{machine.replace(':stateMachine:', ':execution:')}:{path.rpartition('/')[2]}"
        eventually(lambda: last_entered(shop, arn) == HELD, timeout=PATIENCE)
        steps.stop_execution(executionArn=arn)
    assert set(crawl(shop, origin)) == (before if state in BEFORE_THE_INDEX else after)
    run = wait_for_run(shop, session, path, PATIENCE)
    assert (run["status"], run.get("reason")) == (("RELEASED", None) if state == "CleanUp" else ("FAILED", "ABORTED"))

    assert wait_for_run(shop, session, start(shop, session), PATIENCE)["status"] in ("RELEASED", "UNCHANGED")
    assert set(crawl(shop, origin)) == after


def test_the_states_match_the_workflow():
    machine = json.loads((ROOT / "statemachines" / "generate-sitemaps.asl.json").read_text())
    work = {name for name, state in machine["States"].items() if state["Type"] in ("Task", "Map")}
    other_states = {"MarkUnchanged", "MarkChecked", "MarkFailed", "NotifyOfFailure"}
    assert work == {*BEFORE_THE_INDEX, *AFTER_THE_INDEX} | other_states

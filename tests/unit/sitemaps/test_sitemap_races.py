"""The lock of runs, and releases by runs that are late or concurrent."""

import json
import time
from datetime import timedelta

import boto3
import pytest
import time_machine

from model.settings import ROOT
from sitemaps.clients import executions
from sitemaps.domain import runs as rules
from sitemaps.domain.runs import Busy
from sitemaps.repository import objects
from sitemaps.repository import runs as repository
from sitemaps.workflow.runs import acquire_lock
from tests.faults import Faults
from tests.unit.sitemaps.runs import Runs


def test_a_redriven_run_does_not_replace_a_newer_release(runs: Runs):
    """Its execution was stopped before the release of the index, and continues there after another run."""
    old = runs.check("run-1")
    runs.copy("run-1", old)
    runs.products["SP-00001"]["name"] = "Another name"
    runs.release("run-2")
    before = objects.read("release/sitemap.xml")
    with pytest.raises(Exception, match="run-2 is released"):
        runs.release_index("run-1")
    assert objects.read("release/sitemap.xml") == before


def test_a_redriven_run_waits_for_the_run_that_holds_the_lock(runs: Runs):
    checked = runs.check("run-1")
    runs.copy("run-1", checked)
    acquire_lock(runs.start_execution("run-2"), int(time.time()))
    with pytest.raises(Busy):
        runs.release_index("run-1")
    assert objects.load_index() == objects.Index()


@pytest.mark.parametrize("first", [True, False], ids=["first release", "later release"])
def test_of_two_runs_that_release_at_once_one_succeeds(runs: Runs, faults: Faults, first):
    """Both found the lock free: the other run releases its index between this one's read and its write."""
    if not first:
        runs.release("run-0")
    checked = []
    for run in ("run-1", "run-2"):
        runs.stock(4, description=run)
        checked.append(runs.check(run))
    faults.meanwhile("PutObject", lambda: runs.publish("run-2", checked[1]))
    runs.copy("run-1", checked[0])
    with pytest.raises(Exception, match="another run was released first"):
        runs.release_index("run-1")
    assert objects.load_index().run_id == "run-2"
    runs.step("verify_release", "run-2", chunks=1)


def test_an_index_whose_answer_was_lost_is_released(runs: Runs, faults: Faults):
    checked = runs.check("run-1")
    runs.copy("run-1", checked)
    faults.lose_response("PutObject")
    runs.release_index("run-1")
    assert objects.load_index().run_id == "run-1"


def test_a_run_that_was_stopped_before_its_index_was_never_released(runs: Runs):
    """Clean-up keeps the release before it, and the next run is checked against that."""
    runs.stock(8)
    old = runs.release("run-1", day="2026-01-02")
    runs.stock(20)
    runs.copy("run-2", runs.check("run-2", day="2026-01-03"))
    runs.stock(9)
    checked = runs.check("run-3", day="2026-01-04")
    assert objects.load_manifest("run-3")["before"] == "run-1"
    runs.publish("run-3", checked)
    with time_machine.travel(timedelta(days=8)):
        runs.step("clean_up", "run-3")
    assert {f"release/sitemaps/{name}" for name in old["names"]} <= set(runs.object_keys())


def test_an_index_without_a_run_belongs_to_the_manifest_beside_it(runs: Runs):
    """Earlier versions released it so."""
    checked = runs.release("run-1", day="2026-01-02")
    for name in ("manifest.json", "sitemap.xml"):
        runs.copy_object(f"work/run-1/{name}", f"release/{name}")
    assert objects.load_index().run_id == ""
    assert (objects.load_released_manifest()["run_id"], objects.load_released_manifest()["urls"]) == (
        "run-1",
        checked["urls"],
    )
    assert runs.check("run-2", day="2026-01-03")["changed"] is False
    runs.products["SP-00001"]["name"] = "Another name"
    runs.release("run-3", day="2026-01-04")
    assert objects.load_index().run_id == "run-3"


def test_one_execution_holds_the_lock_until_it_ends(runs: Runs):
    mine, other = runs.start_execution("mine"), runs.start_execution("other")
    acquire_lock(mine, int(time.time()))
    acquire_lock(mine, int(time.time()))
    with pytest.raises(Busy):
        acquire_lock(other, int(time.time()))
    boto3.client("stepfunctions").stop_execution(executionArn=mine)
    acquire_lock(other, int(time.time()))


def test_an_unknown_execution_holds_the_lock_for_half_a_minute(runs: Runs, monkeypatch: pytest.MonkeyPatch):
    """Step Functions may not know one yet that has only just taken the lock."""
    monkeypatch.setattr(rules, "UNKNOWN_SECONDS", 30)
    other, now = runs.start_execution("other"), int(time.time())
    acquire_lock(f"{runs.machine.replace(':stateMachine:', ':execution:')}:forgotten", int(time.time()))
    with pytest.raises(Busy):
        acquire_lock(other, int(time.time()))
    acquire_lock(other, now + 31)


def test_a_run_waits_for_another_for_40_minutes_as_documented():
    """Each state that raises Busy, by its own retries."""
    machine = json.loads((ROOT / "statemachines" / "generate-sitemaps.asl.json").read_text())
    rules = [
        rule
        for state in machine["States"].values()
        for rule in state.get("Retry", [])
        if rule["ErrorEquals"] == ["Busy"]
    ]
    assert len(rules) == 2
    for rule in rules:
        delays = (rule["IntervalSeconds"] * rule["BackoffRate"] ** number for number in range(rule["MaxAttempts"]))
        assert 40 * 60 <= sum(min(seconds, rule["MaxDelaySeconds"]) for seconds in delays) < 41 * 60
    for page in ("set-pieces/sitemaps.md", "runbooks/refused-sitemaps.md"):
        assert "40 minutes" in (ROOT / "docs" / page).read_text()


def test_of_two_runs_that_replace_a_dead_lock_holder_one_succeeds(runs: Runs, monkeypatch: pytest.MonkeyPatch):
    mine, other = runs.start_execution("mine"), runs.start_execution("other")
    acquire_lock(other, int(time.time()))
    monkeypatch.setattr(repository, "load_lock", lambda: {"run_id": "LOCK", "execution": "gone", "taken_at": 0})
    monkeypatch.setattr(executions, "find_status", lambda arn: "ABORTED")
    with pytest.raises(Busy):
        acquire_lock(mine, int(time.time()))

"""Runs over HTTP: how they are started, repeated and read."""

import json
import time

import boto3
import pytest

from setpieces.idempotency import key_digest
from sitemaps.repository import runs as repository
from sitemaps.workflow.runs import acquire_lock
from tests.faults import Faults
from tests.unit.sitemaps.runs import Runs


def test_a_run_is_started_and_shown(runs: Runs):
    status, headers, run = runs.call("start_run")
    assert (status, run["status"], run["dry_run"], run["force"]) == (202, "PENDING", False, False)
    assert headers["Location"] == f"/sitemaps/v1/sitemaps/runs/{run['run_id']}"
    [execution] = runs.executions()
    assert execution["name"] == run["run_id"]
    arguments = boto3.client("stepfunctions").describe_execution(executionArn=execution["executionArn"])["input"]
    assert json.loads(arguments) == {"dry_run": False, "force": False}
    status, headers, response = runs.call("show_run", run_id=run["run_id"])
    assert (status, response, headers["Retry-After"]) == (200, run, "1")
    repository.update(run["run_id"], status="RELEASED", urls=5)
    status, headers, response = runs.call("show_run", run_id=run["run_id"])
    assert (response["status"], response["urls"], "Retry-After" in headers) == ("RELEASED", 5, False)
    assert "purge_at" not in response


def test_the_same_key_is_the_same_run(runs: Runs):
    first, again = (runs.call("start_run", {"dry_run": True}, key="k").body for _ in range(2))
    assert first["run_id"] == again["run_id"]
    assert len(runs.executions()) == 1
    status, _, problem = runs.call("start_run", {"dry_run": False}, key="k")
    assert (status, problem["code"]) == (409, "IDEMPOTENCY_KEY_REUSED")
    assert runs.call("start_run", {"dry_run": True}, key="l").body["run_id"] != first["run_id"]


def test_two_concurrent_requests_with_one_key_create_one_run(runs: Runs, faults: Faults):
    """The other gets the response of a later request, and does not reset the status of the run."""
    responses = []

    def other() -> None:
        responses.append(runs.call("start_run", {"dry_run": True}, key="k"))
        repository.update(responses[0][2]["run_id"], status="RUNNING")

    faults.meanwhile("UpdateItem", other)
    status, _, problem = runs.call("start_run", {"dry_run": False}, key="k")
    assert (status, problem["code"]) == (409, "IDEMPOTENCY_KEY_REUSED")
    [(status, _, run)] = responses
    assert (status, run["dry_run"]) == (202, True)
    assert runs.call("show_run", run_id=run["run_id"]).body["status"] == "RUNNING"


def test_a_run_is_created_when_the_sdk_repeats_the_write(runs: Runs, faults: Faults):
    faults.lose_response("UpdateItem")
    assert runs.call("start_run", {"dry_run": True}).status == 202


@pytest.mark.parametrize("body", [{"dry_run": "yes"}, {"force": 1}, {"what": True}, [], "x"])
def test_an_invalid_body_is_400_and_starts_no_run(runs: Runs, body):
    assert runs.call("start_run", body).status == 400
    assert runs.executions() == []


@pytest.mark.parametrize(("run_id", "status"), [("unknown", 404), ("LOCK", 404), ("a b", 400), ("x" * 81, 400)])
def test_an_unknown_run_is_404_and_a_malformed_id_400(runs: Runs, run_id, status):
    acquire_lock(runs.start_execution("mine"), int(time.time()))
    assert runs.call("show_run", run_id=run_id).status == status


def test_a_stopped_execution_shows_its_run_as_failed(runs: Runs):
    run_id = runs.call("start_run").body["run_id"]
    [execution] = runs.executions()
    boto3.client("stepfunctions").stop_execution(executionArn=execution["executionArn"])
    _, headers, response = runs.call("show_run", run_id=run_id)
    assert (response["status"], response["reason"], "Retry-After" in headers) == ("FAILED", "ABORTED", False)


def test_a_repeated_request_starts_a_run_whose_start_was_lost(runs: Runs):
    run_id = f"run-{key_digest('grace', 'k')}"
    repository.update(run_id, status="PENDING", dry_run=False, force=False)
    assert runs.call("show_run", run_id=run_id).body["status"] == "PENDING"
    assert runs.call("start_run", {}, key="k").body["run_id"] == run_id
    assert len(runs.executions()) == 1

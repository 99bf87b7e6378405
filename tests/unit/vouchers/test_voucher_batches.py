"""Batches: creation, the sweep of stalled ones, and the order of statuses."""

import contextlib
import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest

from tests import deployed
from tests.faults import Faults, server_error, throttled, unreachable
from tests.service import Service
from tests.unit.vouchers.batches import Batches, batch_request, minutes_ago
from vouchers.domain.batches import CANCELLED, COMPLETE, FAILED, GENERATING, NOTIFYING, PENDING, STORING
from vouchers.repository import batches as repository

[OPEN_INDEX] = deployed.tables("vouchers")["vouchers.BatchesTable"]["GlobalSecondaryIndexes"]
OPEN_PROJECTION: dict[str, Any] = OPEN_INDEX["Projection"]


def test_a_batch_is_stored_and_started(batches: Batches):
    status, headers, body = batches.call("create_batch", batch_request())
    assert (status, body["status"]) == (202, PENDING)
    assert headers["Location"] == f"/vouchers/v1/voucher-batches/{body['batch_id']}"
    assert batches.executions() == [f"{body['batch_id']}-0"]
    states = boto3.client("stepfunctions")
    [execution] = states.list_executions(stateMachineArn=batches.service.name("GenerateVouchers"))["executions"]
    started = states.describe_execution(executionArn=execution["executionArn"])["input"]
    assert set(json.loads(started)) == {"batch_id", "correlation_id"}


def test_the_same_idempotency_key_creates_one_batch_and_refuses_another_body(batches: Batches):
    first = batches.call("create_batch", batch_request(), key="k")
    again = batches.call("create_batch", batch_request(), key="k")
    assert again.status == 202
    assert again.body["batch_id"] == first.body["batch_id"]
    assert batches.call("create_batch", batch_request(count=25), key="k").body["code"] == "IDEMPOTENCY_KEY_REUSED"
    assert len(batches.service.items("BatchesTable")) == 1
    assert len(batches.executions()) == 1


def test_a_batch_that_was_not_started_is_accepted_and_started_by_the_sweep(batches: Batches, faults: Faults):
    faults.fail("StartExecution", unreachable("states"), times=1)
    batch_id = batches.request()
    assert batches.executions() == []
    assert batches.sweep() == 0
    repository.update(batch_id, updated_at="2026-01-01T00:00:00.000Z")
    assert batches.sweep() == 1
    assert batches.executions() == [f"{batch_id}-1"]


@pytest.mark.parametrize("attribute", OPEN_PROJECTION["NonKeyAttributes"])
def test_the_sweep_restarts_no_batch_if_the_index_does_not_project_an_attribute(
    service: Callable[..., Service], monkeypatch: pytest.MonkeyPatch, attribute: str
):
    """Tests of the sweep fail if an attribute is removed from the template: it reads them from the index."""
    others = [name for name in OPEN_PROJECTION["NonKeyAttributes"] if name != attribute]
    monkeypatch.setitem(OPEN_PROJECTION, "NonKeyAttributes", others)
    batches = Batches(service("vouchers"))
    batch_id = batches.request()
    repository.update(batch_id, updated_at=minutes_ago(2))
    with contextlib.suppress(KeyError):
        batches.sweep()
    assert batches.executions() == [f"{batch_id}-0"]


def test_a_stalled_batch_is_restarted_three_times_and_then_failed(batches: Batches):
    batch_id = batches.request()
    batches.step("lease_range", batch_id)
    for attempt in (1, 2, 3):
        repository.update(batch_id, updated_at="2026-01-01T00:00:00.000Z")
        assert batches.sweep() == 1
        assert f"{batch_id}-{attempt}" in batches.executions()
        assert batches.sweep() == 0
    repository.update(batch_id, updated_at="2026-01-01T00:00:00.000Z")
    assert batches.sweep() == 1
    batch = batches.stored(batch_id)
    assert (batch["status"], batch["reason"]) == (FAILED, "STALLED")
    assert batches.sweep() == 0


def test_a_batch_is_started_again_every_minute_while_step_functions_is_unavailable(batches: Batches, faults: Faults):
    """An attempt counts only once it is started."""
    batch_id = batches.request()
    repository.update(batch_id, updated_at=minutes_ago(2))
    with faults.fail("StartExecution", unreachable("states")):
        for _ in range(10):
            assert batches.sweep() == 1
    assert (batches.stored(batch_id)["status"], batches.stored(batch_id)["attempts"]) == (PENDING, 0)
    assert batches.sweep() == 1
    assert f"{batch_id}-1" in batches.executions()
    assert batches.stored(batch_id)["attempts"] == 1


def test_a_started_batch_is_restarted_after_fifteen_minutes_without_progress(batches: Batches):
    """Its first step may be throttled and repeated for minutes."""
    batch_id = batches.request()
    repository.update(batch_id, updated_at=minutes_ago(2))
    assert batches.sweep() == 1
    for minutes in (2, 14):
        repository.update(batch_id, updated_at=minutes_ago(minutes))
        assert batches.sweep() == 0
    repository.update(batch_id, updated_at=minutes_ago(16))
    assert batches.sweep() == 1
    assert batches.stored(batch_id)["attempts"] == 2


def test_a_start_that_fails_does_not_stop_the_sweep_of_other_batches(batches: Batches, faults: Faults):
    ids = [batches.request() for _ in range(3)]
    for number, batch_id in enumerate(ids):
        repository.update(batch_id, updated_at=minutes_ago(5 - number))
    faults.fail("StartExecution", throttled("StartExecution"), where=lambda request: request["name"].startswith(ids[0]))
    assert batches.sweep() == 3
    assert [batches.stored(batch_id)["attempts"] for batch_id in ids] == [0, 1, 1]


def test_a_start_before_a_crash_is_counted_by_the_next_sweep(batches: Batches, faults: Faults):
    batch_id = batches.request()
    repository.update(batch_id, updated_at=minutes_ago(2))
    with faults.fail("UpdateItem", server_error("UpdateItem")):
        batches.sweep()
    assert batches.sweep() == 1
    assert sorted(batches.executions()) == [f"{batch_id}-0", f"{batch_id}-1"]
    assert batches.stored(batch_id)["attempts"] == 1


def test_two_sweeps_at_once_start_a_batch_once(batches: Batches, faults: Faults):
    batch_id = batches.request()
    repository.update(batch_id, updated_at=minutes_ago(2))
    other = []
    faults.meanwhile("StartExecution", lambda: other.append(batches.sweep()))
    assert (batches.sweep(), other) == (0, [1])
    assert sorted(batches.executions()) == [f"{batch_id}-0", f"{batch_id}-1"]
    assert batches.stored(batch_id)["attempts"] == 1


def test_a_failure_that_was_not_announced_is_announced_by_the_next_sweep(batches: Batches, faults: Faults):
    batch_id = batches.request()
    repository.update(batch_id, attempts=3, updated_at=minutes_ago(16))
    with faults.fail("Publish", unreachable("sns")):
        assert batches.sweep() == 1
    assert batches.sweep() == 0
    repository.update(batch_id, updated_at=minutes_ago(2))
    # The mail has the status of the batch, so FAILED is stored before it is announced.
    announced = []
    faults.meanwhile("Publish", lambda: announced.append(batches.stored(batch_id)["status"]))
    assert batches.sweep() == 1
    assert announced == [FAILED]
    repository.update(batch_id, updated_at=minutes_ago(60))
    assert batches.sweep() == 0


ORDER = (PENDING, GENERATING, STORING, NOTIFYING, COMPLETE, FAILED, CANCELLED)


@pytest.mark.parametrize(
    ("to", "allowed"),
    [
        (GENERATING, {PENDING, GENERATING, STORING, NOTIFYING, FAILED}),
        (STORING, {GENERATING, STORING}),
        (NOTIFYING, {STORING, NOTIFYING}),
        (FAILED, {PENDING, GENERATING, STORING, NOTIFYING}),
        (CANCELLED, {PENDING, GENERATING, STORING, NOTIFYING, COMPLETE, FAILED}),
    ],
)
def test_a_status_follows_only_its_preceding_statuses(batches: Batches, to, allowed):
    for before in ORDER:
        batch_id = batches.request()
        repository.update(batch_id, status=before)
        moved = repository.change_status(batch_id, to)
        assert (moved is not None) == (before in allowed), before
        assert batches.stored(batch_id)["status"] == (to if moved else before)


def test_an_update_of_an_unknown_batch_creates_none(batches: Batches):
    assert repository.change_status("VB" + "0" * 24, GENERATING) is None
    repository.update("VB" + "0" * 24, notified_at="now")
    assert repository.find("VB" + "0" * 24) is None

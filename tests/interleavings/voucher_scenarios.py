"""Vouchers: overlapping, repeated and cancelled executions of a batch; links that are used twice."""

import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from tests import deployed
from tests.faults import Crash, Fault
from tests.interleavings.scenario import Invariant, Scenario
from tests.interleavings.scheduler import Bounds, Run
from tests.interleavings.world import World

BATCH = {
    "count": 3, "campaign": "Winter", "value": 1000, "currency": "EUR", "valid_from": "2027-01-15", "valid_to": "2027-12-31",
    "notify": "grace@example.com",
}  # fmt: skip
BUCKET, QUEUE = "vouchers.Bucket", "vouchers.NotificationsQueue"
ENDED = ("COMPLETE", "FAILED", "CANCELLED")


def counters(world: World) -> None:
    world.put("sequences.Table", {"id": "voucher", "num": 1000})


def request_batch(key: str = "batch-1", **changed: Any) -> Callable[[World], Any]:
    def side(world: World) -> Any:
        return world.request_with_retries(
            lambda: world.request(
                "vouchers", "POST", "/v1/voucher-batches", BATCH | changed, key=key, principalId="grace", roles="admin"
            )
        )

    return side


def batch_of(world: World) -> dict[str, Any]:
    return next(iter(world.items("vouchers.BatchesTable")))


def execute(world: World) -> str:
    """Execute the state machine for the batch, with up to three attempts of each step. Returns how it ended."""
    batch_id = batch_of(world)["batch_id"]
    data = {"batch_id": batch_id, "correlation_id": "c"}

    def step(handler: str, **more: Any) -> Any:
        error: BaseException | None = None
        for _ in range(3):
            try:
                return world.invoke(deployed.function("vouchers", handler), data | more)
            except (Crash, Exception) as failed:
                error = failed
                if type(failed).__name__ in ("BatchOver", "CountMismatch"):
                    break
        raise Stopped(type(error).__name__)

    try:
        for chunk in step("lease_range")["chunks"]:
            step("generate_chunk", chunk=chunk)
        step("store_file")
        deliver_message(world, batch_id, "COMPLETE")
        if not world.task("vouchers", "GenerateVouchers", "MarkComplete", data):
            return "Over"
    except Stopped as stopped:
        if str(stopped) == "BatchOver":
            return "Over"
        if world.task("vouchers", "GenerateVouchers", "MarkFailed", data | {"failure": {"Error": str(stopped)}}):
            deliver_message(world, batch_id, "FAILED")
        return "Failed"
    return "Complete"


class Stopped(Exception):
    """The last attempt of a step failed."""


def deliver_message(world: World, batch_id: str, status: str) -> None:
    from setpieces.events import Event

    event = Event(("VOUCHER", "BATCH", status), {"batch_id": batch_id}, "11111111-2222-4333-8444-555555555555", "c")
    from tests.interleavings.state import Message

    world.queues[QUEUE].append(Message(world.next_id(), json.dumps(event.detail()), {}))


def batch_requested(world: World) -> None:
    counters(world)
    assert request_batch()(world).status == 202


def batch_complete(world: World) -> None:
    batch_requested(world)
    assert execute(world) == "Complete"
    world.facts["code"] = sorted(item["code"] for item in world.items("vouchers.VouchersTable"))[0]


def one_time_link(world: World) -> None:
    counters(world)
    assert request_batch(one_time=True)(world).status == 202
    assert execute(world) == "Complete"
    response = world.request(
        "vouchers", "GET", f"/v1/voucher-batches/{batch_of(world)['batch_id']}", principalId="grace"
    )
    world.facts["link"] = "/v1/voucher-downloads/" + response.body["download"]["url"].rpartition("/")[2]


def cancel(world: World) -> int:
    batch_id = batch_of(world)["batch_id"]
    path = f"/v1/voucher-batches/{batch_id}/cancellation"
    response = world.request_with_retries(lambda: world.request("vouchers", "POST", path, principalId="grace"))
    if response.status == 200:
        world.facts.setdefault("cancelled", batch_id)
    return int(response.status)


def cancel_unknown(world: World) -> int:
    path = f"/v1/voucher-batches/VB{'0' * 24}/cancellation"
    return int(world.request("vouchers", "POST", path, principalId="grace").status)


def follow_link(world: World) -> int:
    return int(world.request("vouchers", "GET", world.facts["link"]).status)


def batch_stalled(world: World) -> None:
    """A batch without progress for 20 minutes."""
    batch_requested(world)
    world.later(20 * 60)


def fail_execution(world: World) -> bool:
    """An execution marks its batch as failed."""
    data = {"batch_id": batch_of(world)["batch_id"], "correlation_id": "c", "failure": {"Error": "StoreBusy"}}
    return world.task("vouchers", "GenerateVouchers", "MarkFailed", data)


def sweep_now(world: World) -> Any:
    return world.scheduled("vouchers", "sweep_batches")


def begin_execution(world: World) -> str:
    """The first step of an execution."""
    batch_id = batch_of(world)["batch_id"]
    try:
        world.invoke(deployed.function("vouchers", "lease_range"), {"batch_id": batch_id, "correlation_id": "c"})
    except (Crash, Exception):
        return "failed"
    return "started"


def sweep(world: World) -> Any:
    world.later(20 * 60)
    return world.scheduled("vouchers", "sweep_batches")


def attempts_used_up(world: World) -> None:
    batch_requested(world)
    world.put("vouchers.BatchesTable", batch_of(world) | {"attempts": 3})


def watch(world: World) -> None:
    """Record the states of the batch."""
    for batch in world.items("vouchers.BatchesTable"):
        versions = world.facts.setdefault("batches", {}).setdefault(batch["batch_id"], [])
        if not versions or versions[-1] != batch:
            versions.append(batch)


def run_remaining_steps(world: World) -> None:
    def over() -> bool:
        return all(batch["status"] in ENDED for batch in world.items("vouchers.BatchesTable"))

    for _ in range(5):
        if over():
            break
        for execution in list(world.executions):
            if world.executions[execution]["status"] == "RUNNING":
                world.executions[execution]["status"] = "SUCCEEDED"
                execute(world)
        if not over():
            sweep(world)
    world.run_automatic_steps(until=lambda: True)


def cancelled_has_no_file(world: World, run: Run) -> str:
    for batch in world.items("vouchers.BatchesTable"):
        remaining = [key for key in world.files(BUCKET) if key.startswith(f"release/{batch['batch_id']}")]
        if batch["status"] == "CANCELLED" and "cancelled" in world.facts and remaining:
            return f"cancelled, and {', '.join(remaining)} is still there"
    return ""


def complete_has_all(world: World, run: Run) -> str:
    codes = world.items("vouchers.VouchersTable")
    for batch in world.items("vouchers.BatchesTable"):
        own = [code for code in codes if code["batch_id"] == batch["batch_id"]]
        if batch["status"] == "COMPLETE" and (
            len(own) != batch["count"] or f"release/{batch['batch_id']}.csv" not in world.files(BUCKET)
        ):
            return f"complete with {len(own)} of {batch['count']} vouchers, files {sorted(world.files(BUCKET))}"
        if len(own) > batch["count"]:
            return f"{len(own)} vouchers instead of {batch['count']}"
    return ""


def batches_end(world: World, run: Run) -> str:
    return "; ".join(
        f"{b['batch_id']} is {b['status']}" for b in world.items("vouchers.BatchesTable") if b["status"] not in ENDED
    )


def ended_stays(world: World, run: Run) -> str:
    """A cancelled batch does not change, a complete one only by its cancellation or the mail to its requester."""
    # An execution that notices the cancellation with its next step may have stored its numbers.
    ignored = ("notified", "first", "last", "updated_at")
    for versions in world.facts.get("batches", {}).values():
        for before, after in pairwise(versions):
            after_fields = {name: value for name, value in after.items() if not name.startswith(ignored)}
            before_fields = {name: value for name, value in before.items() if not name.startswith(ignored)}
            if (
                before["status"] in ("COMPLETE", "CANCELLED")
                and after_fields != before_fields
                and after["status"] != "CANCELLED"
            ):
                return f"{before['status']}, and changed to {after['status']}"
            if before["status"] == "CANCELLED" and after_fields != before_fields:
                return "cancelled, and changed afterwards"
            if after["status"] == "PENDING" and before["status"] != "PENDING":
                return f"{before['status']}, and PENDING again"
            if "first" in before and before["first"] != after.get("first"):
                return "its numbers changed"
            if after["attempts"] < before["attempts"]:
                return "an attempt is not counted any more"
    return ""


def batches_have_requests(world: World, run: Run) -> str:
    partial = [batch for batch in world.items("vouchers.BatchesTable") if "count" not in batch]
    return f"an item without a request: {partial[0]}" if partial else ""


def one_batch_per_key(world: World, run: Run) -> str:
    return "two batches for one key" if len(world.items("vouchers.BatchesTable")) > 1 else ""


def link_works_once(world: World, run: Run) -> str:
    used = [result for result in run.results.values() if result == 303]
    return f"followed {len(used)} times" if len(used) > 1 else ""


def requester_gets_a_mail(world: World, run: Run) -> str:
    for batch in world.items("vouchers.BatchesTable"):
        subjects = [mail["Content"]["Simple"]["Subject"]["Data"] for mail in world.mails]
        good = [subject for subject in subjects if "could not be made" not in subject]
        if batch["status"] == "COMPLETE" and not good:
            return "complete, without a mail about it"
        if batch["status"] == "FAILED" and not subjects:
            return "failed, without a mail about it"
    return ""


def swept_by_one(world: World, run: Run) -> str:
    swept = sum(result["swept"] for result in run.results.values() if isinstance(result, dict) and "swept" in result)
    return f"one stalled batch is swept {swept} times" if swept > 1 and not run.schedule.faults else ""


INVARIANTS = (
    Invariant("vouchers", "A cancelled batch has no file.", cancelled_has_no_file),
    Invariant(
        "vouchers", "A complete batch has all of its vouchers and its file, and no batch has more.", complete_has_all
    ),
    Invariant("vouchers", "Every batch ends without manual work.", batches_end),
    Invariant(
        "vouchers", "A batch that has ended does not change, and no batch loses its numbers or attempts.", ended_stays
    ),
    Invariant("vouchers", "Every batch was requested.", batches_have_requests),
    Invariant("vouchers", "An Idempotency-Key creates one batch.", one_batch_per_key),
    Invariant("vouchers", "A one-time link works once.", link_works_once),
    Invariant("vouchers", "A requester gets a mail about the end of a batch.", requester_gets_a_mail),
    Invariant("vouchers", "A stalled batch is swept by one of two concurrent sweeps.", swept_by_one),
)


def _scenario(name: str, before: Any, sides: Any, **more: Any) -> Scenario:
    return Scenario(
        "vouchers", name, before, sides, afterwards=run_remaining_steps, needs=("sequences",), watch=watch, **more
    )


# An execution has a dozen calls or more, and thousands of orders with two switches.
LONG = Bounds(switches=1, mixed=10, random=10)
REPEATED = (Fault.LOST, Fault.CRASH_AFTER)
REPEATED_LONG: dict[str, Any] = {"bounds": LONG, "faults": REPEATED}
SCENARIOS = (
    _scenario("a link is followed twice", one_time_link, {"ada": follow_link, "mallory": follow_link}),
    _scenario("a batch is requested twice at once", counters, {"one": request_batch(), "other": request_batch()}),
    _scenario(
        "an execution begins while the batch is requested again",
        batch_requested,
        {"execution": execute, "client": request_batch()},
        **REPEATED_LONG,
    ),
    _scenario("two executions of one batch", batch_requested, {"one": execute, "other": execute}, **REPEATED_LONG),
    _scenario(
        "a batch is cancelled while it is generated",
        batch_requested,
        {"execution": execute, "admin": cancel},
        **REPEATED_LONG,
    ),
    _scenario("two sweeps at once", batch_stalled, {"one": sweep_now, "other": sweep_now}),
    _scenario(
        "a batch ends while it is swept",
        batch_stalled,
        {"execution": execute, "sweep": sweep_now},
        **REPEATED_LONG,
    ),
    _scenario(
        "a batch is cancelled while its execution fails",
        batch_requested,
        {"execution": fail_execution, "admin": cancel},
        **REPEATED_LONG,
    ),
    _scenario(
        "two executions begin at once",
        batch_requested,
        {"one": begin_execution, "other": begin_execution},
        faults=REPEATED,
    ),
    _scenario(
        "a batch fails in a sweep while it is generated",
        attempts_used_up,
        {"execution": execute, "sweep": sweep},
        **REPEATED_LONG,
    ),
    _scenario("a batch is cancelled that does not exist", batch_complete, {"admin": cancel_unknown}),
)

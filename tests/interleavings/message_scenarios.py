"""Consumers of events: feeds and their circuit, shipments, syncs of customers, relayed updates."""

import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from feeds.repository import circuit
from feeds.workflow import circuit as workflow
from model.settings import ROOT
from tests import deployed
from tests.faults import Crash, Fault
from tests.interleavings.scenario import Invariant, Scenario
from tests.interleavings.scheduler import Bounds, Run
from tests.interleavings.state import Message
from tests.interleavings.world import World
from tools import feed_samples

# --- feeds ---
BUCKET, RECORDS = "feeds.Bucket", "feed-pipeline.RecordsQueue"
KEY = "product/in/2027/01/15/winter.json"
OTHER_KEY = "product/in/2027/01/16/winter.json"


def upload(version: int, sequencer: str, key: str = KEY) -> Callable[[World], Any]:
    """A feed is stored, and EventBridge delivers its event, again if the function fails."""

    def side(world: World) -> str:
        event = put(world, version, sequencer, key)
        return transform(world, event)

    return side


def put(world: World, version: int, sequencer: str, key: str = KEY) -> dict[str, Any]:
    content = feed_samples.as_json(feed_samples.records("product", 3, version=version))
    stored = world._s3_PutObject(None, BUCKET, key, content)
    event: dict[str, Any] = json.loads((ROOT / "events" / "feed-pipeline" / "transform_feed.json").read_text())
    event["detail"]["bucket"]["name"] = BUCKET
    stored_object = {"key": key, "size": len(content), "etag": stored["ETag"].strip('"'), "sequencer": sequencer}
    event["detail"]["object"] |= stored_object
    event["time"] = f"2027-01-{key.split('/')[4]}T08:00:00Z"
    world.facts.setdefault("uploads", []).append(sequencer.ljust(32, "0"))
    return event


def transform(world: World, event: dict[str, Any]) -> str:
    for _ in range(3):
        try:
            world.invoke(deployed.function("feed-pipeline", "transform_feed"), event)
        except (Crash, Exception):
            continue
        return "done"
    return "failed"


def uploaded(world: World) -> None:
    world.facts["event"] = put(world, 1, "0A")


def transformed(world: World) -> None:
    uploaded(world)
    assert transform(world, world.facts["event"]) == "done"
    world.deliver(RECORDS, 10)


def transform_again(world: World) -> str:
    return transform(world, world.facts["event"])


def conclude(world: World) -> Any:
    world.later(61)
    return world.scheduled("feeds", "conclude_feeds")


def update_and_conclude(world: World) -> Any:
    return world.deliver(RECORDS, 1), conclude(world)


def request_upload(world: World) -> int:
    return int(world.request("feeds", "POST", "/v1/feeds/product", principalId="grace").status)


def upload_what_was_requested(world: World) -> str:
    waiting = world.items("feeds.FeedsTable")
    if not waiting:
        return "nothing"
    key = f"product/in/2027/01/15/{waiting[0]['feed_id']}.json"
    return transform(world, put(world, 1, "0A", key))


def conclude_all_feeds(world: World) -> None:
    def over() -> bool:
        return not any("open" in feed for feed in world.items("feeds.FeedsTable"))

    newest = world.facts.get("event") if len(world.facts.get("uploads", [])) == 1 else None
    if newest and not world.items("feeds.FeedsTable"):
        transform(world, newest)
    world.run_automatic_steps(("feeds", "conclude_feeds"), until=over, rounds=5, minutes=61)


def two_of_three_updated(world: World) -> None:
    """A feed of which two records are updated, and one of them is counted."""
    uploaded(world)
    assert transform(world, world.facts["event"]) == "done"
    world.deliver(RECORDS, 1)
    conclude(world)
    world.deliver(RECORDS, 1)


def _total(outcomes: dict[str, Any]) -> int:
    return sum(outcomes.get(name, 0) for name in ("updated", "unchanged", "stale", "failed"))


def _check_counts(world: World, feed: dict[str, Any]) -> None:
    """Record a count that exceeds the updated records of its run, or that decreases."""
    run, total = feed.get("run", ""), _total(feed.get("outcomes", {}))
    parts = [item for item in world.items("feeds.AccountsTable") if item["part"].startswith(f"{run}/")]
    updated = sum(len(value) for item in parts for value in item.values() if isinstance(value, set))
    if total > updated:
        world.facts["miscounted"] = f"{total} records are counted of a run that has updated {updated}"
    before = world.facts.setdefault("counted", {}).get(run, 0)
    if "outcomes" in feed and total < before:
        world.facts["miscounted"] = f"{before} records were counted, then {total}"
    if "outcomes" in feed:
        world.facts["counted"][run] = total


def counts_are_of_the_run(world: World, run: Run) -> str:
    return str(world.facts.get("miscounted", ""))


def watch_feeds(world: World) -> None:
    for feed in world.items("feeds.FeedsTable"):
        _check_counts(world, feed)
        versions = world.facts.setdefault("feeds", {}).setdefault(feed["feed"], [])
        facts = (feed.get("sequencer", ""), feed.get("run", ""), feed["status"], feed.get("received"))
        if versions[-1:] != [facts]:
            versions.append(facts)


def newest_upload_counts(world: World, run: Run) -> str:
    for name, versions in world.facts.get("feeds", {}).items():
        uploads = world.facts.get("uploads", [])
        order = [uploads.index(sequencer) for sequencer, *_ in versions if sequencer]
        if order != sorted(order):
            return f"{name} went back to an older upload"
    for feed in world.items("feeds.FeedsTable"):
        failures = [result for result in run.results.values() if result == "failed"]
        newest = (world.facts.get("uploads") or [""])[-1]
        if not failures and feed.get("sequencer", newest) != newest and len(world.facts.get("uploads", [])) > 1:
            return f"{feed['feed']} is of upload {feed['sequencer']}, {newest} is newer"
    return ""


def feeds_end(world: World, run: Run) -> str:
    faults = any(result == "failed" for result in run.results.values())
    open_ = [
        f"{feed['feed']} is {feed['status']}"
        for feed in world.items("feeds.FeedsTable")
        if "run" in feed and feed["status"] not in ("COMPLETE", "FAILED")
    ]
    return "" if faults else "; ".join(open_)


def manifests_are_right(world: World, run: Run) -> str:
    """The manifest in the store accounts for every record of the feed's run."""
    for feed in world.items("feeds.FeedsTable"):
        text = world.objects[BUCKET].get(f"product/results/{feed['feed_id']}.json")
        if feed["status"] != "COMPLETE" or not text:
            continue
        manifest = json.loads(text)
        accounted = sum(manifest[name] for name in ("updated", "unchanged", "stale", "failed"))
        if manifest["pending"] or manifest["received"] != 3 or accounted != 3:
            return f"the manifest says {manifest}"
        outcomes = {name: manifest[name] for name in ("updated", "unchanged", "stale", "failed")}
        if any(feed["outcomes"][name] != number for name, number in outcomes.items()):
            return f"the manifest says {outcomes}, the feed {feed['outcomes']}"
    return ""


def ended_feeds_stay(world: World, run: Run) -> str:
    """A run that has ended or was replaced never starts again."""
    for name, versions in world.facts.get("feeds", {}).items():
        for before, after in pairwise(versions):
            if (
                before[1]
                and before[1] == after[1]
                and before[2] in ("UPDATING", "COMPLETE")
                and after[2] == "TRANSFORMING"
            ):
                return f"{name} began again after it was read"
            if before[1] and before[1] == after[1] and before[3] is not None and before[3] != after[3]:
                return f"{name} had {before[3]} records, then {after[3]}"
            if before[1] and not after[1]:
                return f"{name} forgot its run"
    return ""


# --- the circuit of a feed's queue ---
MAPPING = "feed-pipeline/product-mapping-id"


def open_circuit(world: World) -> str:
    return _in_pipeline(world, lambda: workflow.open_circuit("down"))


def close_circuit(world: World) -> str:
    def close() -> None:
        opened_at = circuit.opened_at()
        if opened_at:
            workflow.close_circuit(opened_at)

    return _in_pipeline(world, close)


def _in_pipeline(world: World, work: Callable[[], None]) -> str:
    with world.acting_as(deployed.function("feed-pipeline", "update_platform")):
        try:
            work()
        except (Crash, Exception):
            return "failed"
    return "done"


def circuit_is_open(world: World) -> None:
    assert open_circuit(world) == "done"
    world.later(1)


def disabled_has_item(world: World, run: Run) -> str:
    """A disabled mapping has an item, from which the probe knows that it must enable it."""
    item = any(item["part"].startswith("circuit/") for item in world.items("feeds.AccountsTable"))
    return "the mapping is disabled, and no item exists" if world.mappings.get(MAPPING) is False and not item else ""


# --- shipping, data-sync, event-relay ---
DETAIL = json.loads((ROOT / "events" / "bus" / "checkout.order.complete.json").read_text())
EVENT = {"source": "service-order-local", "detail-type": "State change Notification", "detail": DETAIL}


def _complete(event_id: str = "") -> dict[str, Any]:
    event: dict[str, Any] = json.loads(json.dumps(EVENT))
    if event_id:
        event["detail"]["event"]["meta_data"]["event_id"] = event_id
    return event


def on_platform(world: World) -> None:
    data = EVENT["detail"]["event"]["data"]
    order = {
        "customer_id": data["customer_id"], "lines": [{"sku": "SP-1", "quantity": 2}], "ship_to": {"country": "DE"},
        "totals": {"amount": 1, "currency": "EUR"}, "status": "paid",
    }  # fmt: skip
    assert world.partner("PUT", f"commerce/orders/{data['order_number']}", order).status == 201
    customer = {"customer_id": data["customer_id"], "identity_id": "i1", "name": "Ada", "email": "ada@example.com"}
    headers = {"if-none-match": "*"}
    assert world.partner("PUT", f"commerce/customers/{data['customer_id']}", customer, **headers).status == 201
    member = {"customer_id": data["customer_id"], "identity_id": "i1", "rewards_id": "r1", "points": 0, "tier": "blue"}
    assert world.partner("PUT", f"rewards/members/{data['customer_id']}", member, **headers).status in (200, 201)


def two_messages(queue: str, *events: dict[str, Any]) -> Callable[[World], None]:
    def set_up(world: World) -> None:
        on_platform(world)
        for number, event in enumerate(events):
            world.queues[queue].append(Message(f"m{number}", json.dumps(event), {}))

    return set_up


def deliver(queue: str) -> Callable[[World], int]:
    return lambda world: world.deliver(queue, 2)


def drain(world: World) -> None:
    world.run_automatic_steps(until=lambda: True)


def one_shipment(world: World, run: Run) -> str:
    effects = world.effects("shipments")
    return f"{len(effects)} shipments of one order" if len(effects) != 1 else ""


def one_sync(world: World, run: Run) -> str:
    syncs = world.records("customer-syncs")
    return f"one order is synced {len(syncs)} times" if len(syncs) != 1 else ""


UPDATES = "event-relay.UpdatesQueue"


def three_updates(world: World) -> None:
    sample = json.loads((ROOT / "events" / "event-relay" / "relay_batch.json").read_text())["Records"][0]
    for number, group in enumerate(("one", "one", "other")):
        body = sample["body"].replace("T100000001", f"T10000000{number}")
        world.queues[UPDATES].append(Message(f"00000000-0000-4000-8000-00000000000{number}", body, {}, group))


def relay(world: World) -> Any:
    """A run of the schedule; messages that it left in flight are visible after it."""
    result = world.scheduled("event-relay", "relay_events")
    for message in world.queues[UPDATES]:
        message.hidden = False
    return result


def relay_remaining(world: World) -> None:
    for _ in range(3):
        relay(world)


def each_update_is_published(world: World, run: Run) -> str:
    ids = [event["meta_data"]["event_id"] for event in world.published]
    if len(set(ids)) != 3:
        return f"{len(set(ids))} events for 3 updates"
    return f"{len(world.queues[UPDATES])} updates are left" if world.queues[UPDATES] else ""


INVARIANTS = (
    Invariant("feeds", "A feed has the data of its newest upload.", newest_upload_counts),
    Invariant("feeds", "Every feed that was uploaded ends.", feeds_end),
    Invariant("feeds", "A manifest accounts for every record.", manifests_are_right),
    Invariant("feeds", "The counts of a feed are those of its run, and never decrease.", counts_are_of_the_run),
    Invariant("feeds", "A run that was read does not start again, and its number of records stays.", ended_feeds_stay),
    Invariant("feed-pipeline", "A mapping that the circuit disabled has its item.", disabled_has_item),
    Invariant("shipping", "An order is shipped once.", one_shipment),
    Invariant("data-sync", "An order is synced once.", one_sync),
    Invariant("event-relay", "Every update is published under one id.", each_update_is_published),
)
# A run of a feed makes a dozen calls.
LONG = Bounds(switches=1, mixed=40, random=20)


def _feed(name: str, set_up: Any, sides: Any, bounds: Bounds = LONG) -> Scenario:
    return Scenario(
        "feeds", name, set_up, sides, afterwards=conclude_all_feeds, needs=("feed-pipeline",), watch=watch_feeds, bounds=bounds,
        faults=(Fault.LOST, Fault.CRASH_AFTER, Fault.CRASH_BEFORE),
    )  # fmt: skip


def _circuit(name: str, set_up: Any, sides: Any) -> Scenario:
    # Openings differ in their microsecond.
    return Scenario(
        "feed-pipeline", name, set_up, sides, needs=("feeds",), faults=(Fault.LOST, Fault.UNANSWERED), ticks=True
    )


def _queue(service: str, name: str, queue: str, *events: dict[str, Any]) -> Scenario:
    sides = {"one": deliver(queue), "other": deliver(queue)}
    return Scenario(service, name, two_messages(queue, *events), sides, afterwards=drain)


OTHER_ID = "00000000-0000-4000-8000-0000000000ff"
SCENARIOS = (
    _feed("the event of an upload is delivered twice", uploaded, {"one": transform_again, "other": transform_again}),
    _feed("two uploads of one feed", uploaded, {"older": transform_again, "newer": upload(2, "0B")}),
    _feed("two folders have the same feed", uploaded, {"older": transform_again, "newer": upload(2, "01", OTHER_KEY)}),
    _feed(
        "counts are entered while records come",
        two_of_three_updated,
        {"run": update_and_conclude, "conclude": conclude},
    ),
    _feed("two conclude at once", transformed, {"one": conclude, "other": conclude}),
    _feed(
        "a feed is concluded while it is uploaded anew", transformed, {"conclude": conclude, "newer": upload(2, "0B")}
    ),
    _feed(
        "records are updated while a feed is concluded",
        uploaded,
        {"run": lambda world: (transform_again(world), update_and_conclude(world)), "conclude": conclude},
    ),
    _feed(
        "a feed is uploaded before its request is answered",
        lambda world: None,
        {"request": request_upload, "upload": upload_what_was_requested},
        Bounds(mixed=200),
    ),
    _circuit(
        "the circuit opens while a probe closes it", circuit_is_open, {"open": open_circuit, "close": close_circuit}
    ),
    _circuit("two open the circuit", lambda world: None, {"one": open_circuit, "other": open_circuit}),
    _queue("shipping", "Order complete comes twice", "shipping.CompletedQueue", _complete(), _complete()),
    _queue("data-sync", "Order complete comes twice", "data-sync.CustomerQueue", _complete(), _complete()),
    _queue(
        "data-sync",
        "an order is reported complete under two ids",
        "data-sync.CustomerQueue",
        _complete(),
        _complete(OTHER_ID),
    ),
    Scenario(
        "event-relay",
        "two runs of the relay",
        three_updates,
        {"one": relay, "other": relay},
        afterwards=relay_remaining,
    ),
)

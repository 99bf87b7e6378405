"""Counted events: an object that is delivered twice."""

import gzip
import json
from typing import Any

from model.settings import ROOT
from setpieces import aws
from tests import deployed
from tests.faults import Crash
from tests.interleavings.scenario import Invariant, Scenario
from tests.interleavings.scheduler import Run
from tests.interleavings.world import World

OBJECT = "events/2027/01/15/08/one.gz"


def object_delivered(world: World) -> None:
    event = {"event_id": "e1", "type": "view", "occurred_at": "2027-01-15T08:00:00Z", "data": {}}
    line = json.dumps({"received_at": 1_800_000_000_000, "request_id": "r1", "event": event})
    sample = json.loads((ROOT / "events" / "ingestion" / "roll_up.json").read_text())
    stored = aws.client("s3").put_object(Bucket=BUCKET, Key=OBJECT, Body=gzip.compress(f"{line}\n".encode(), mtime=0))
    world.facts["object"] = sample | {"bucket": BUCKET, "key": OBJECT, "etag": stored["ETag"].strip('"')}


BUCKET = "ingestion-bucket"


def roll_up(world: World) -> Any:
    for _ in range(2):
        try:
            return world.invoke(deployed.function("ingestion", "roll_up"), world.facts["object"])["counted"]
        except (Crash, Exception):
            continue
    return None


def object_counts_once(world: World, run: Run) -> str:
    events = sum(item.get("events", 0) for item in world.items("ingestion.CountsTable"))
    rolled_up = any(result is not None for result in run.results.values())
    return f"one event is counted {events} times" if events > 1 or (rolled_up and not events) else ""


INVARIANTS = (Invariant("ingestion", "An object is counted once.", object_counts_once),)
SCENARIOS = (
    Scenario(
        "ingestion",
        "the event of an object is delivered twice",
        object_delivered,
        {"one": roll_up, "other": roll_up},
    ),
)

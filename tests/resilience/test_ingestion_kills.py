"""Events in flight while all function processes are killed are stored and counted exactly once."""

import json

from local.cloud.processes import kill_workers
from tests.integration.event_requests import MANY, ONE, event_request, send
from tools import dead_letters
from tools.client import Shop, eventually, unique
from tools.drivers.invariants.runner import assert_invariants, violations
from tools.drivers.promises import Promises

ROUNDS = 6
BATCH = 25


def test_no_event_is_lost_when_workers_die(shop: Shop):
    name, key = unique("killed"), {"x-api-key": shop.samples["ingest_api_key"], "Content-Type": "application/json"}
    promises = Promises.of(shop)
    accepted = promises.events.setdefault(name, set())
    for number in range(ROUNDS):
        accepted |= post_events(shop, key, name, number)
        # As soon as any function runs: the Firehose transformation, the fan-out or a processing function.
        eventually(kill_workers)

    # Records whose transformation failed on every attempt are also accounted for.
    eventually(lambda: redrive_killed(shop) == 0 and not violations(shop, promises), timeout=300, every=2)
    assert_invariants(shop, promises, timeout=60)


def redrive_killed(shop: Shop) -> int:
    """Redrive invocations that were killed three times, as in docs/runbooks/dead-letters.md. Returns their number."""
    return sum(dead_letters.redrive(shop, url) for url in dead_letters.queues(shop, "ingestion-errors"))


def post_events(shop: Shop, key: dict[str, str], name: str, number: int) -> set[str]:
    """Post a single event and a batch. Returns their ids."""
    events = [event_request(name, f"{number}-{each}") for each in range(BATCH + 1)]
    assert send(shop, key, ONE, json.dumps(events[0]).encode()).status_code == 202
    assert send(shop, key, MANY, json.dumps({"events": events[1:]}).encode()).status_code == 202
    return {event["event_id"] for event in events}

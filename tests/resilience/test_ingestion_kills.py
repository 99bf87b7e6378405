"""Events that are on their way while every process of a function is killed: each is kept, and counted once."""

import json

from local.drivers.invariants import hold
from local.drivers.promises import Promises
from local.processes import kill_workers
from local.shop import Shop, eventually, unique
from tests.integration.event_requests import MANY, ONE, made, send

ROUNDS = 6
BATCH = 25


def test_no_event_is_lost_when_workers_die(shop: Shop):
    name, key = unique("killed"), {"x-api-key": shop.samples["ingest_api_key"], "Content-Type": "application/json"}
    promises = Promises.of(shop)
    accepted = promises.events.setdefault(name, set())
    for number in range(ROUNDS):
        accepted |= post(shop, key, name, number)
        # As soon as anything runs, whatever it is at: the judge of records, the fan-out, a processing function.
        eventually(kill_workers)

    # What was put aside because its judge had died each time it was asked is accounted for as well.
    hold(shop, promises, timeout=300)


def post(shop: Shop, key: dict[str, str], name: str, number: int) -> set[str]:
    """One event alone and a batch; their ids."""
    events = [made(name, f"{number}-{each}") for each in range(BATCH + 1)]
    assert send(shop, key, ONE, json.dumps(events[0]).encode()).status_code == 202
    assert send(shop, key, MANY, json.dumps({"events": events[1:]}).encode()).status_code == 202
    return {event["event_id"] for event in events}

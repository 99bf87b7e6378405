"""Concurrent sign-ups with duplicate, shuffled messages and failing platform calls are migrated exactly once.

``SETPIECES_SIGNUPS`` is the number of sign-ups (default 150; 1,000 take some minutes on two cores).
"""

import json
import os
import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest

from tools.client import Shop, eventually, unique, with_retries
from tools.drivers.invariants.runner import assert_invariants
from tools.drivers.promises import Customer, Promises
from tools.drivers.queues import depths, is_dead

SIGNUPS = int(os.environ.get("SETPIECES_SIGNUPS", "150"))
SEED = 5
# Each failure doubles the wait, from 2 s to 5 minutes: a message that a busy machine failed eight times has waited 510 s.
# The rest is what the machine takes for some eight calls per customer.
TIMEOUT = 900 + SIGNUPS


def customer(n: int) -> dict[str, Any]:
    """The n-th customer's profile on the legacy platform."""
    return {
        "source_version": n % 7 + 1,
        "phone": f"+41 44 {n:07}",
        "addresses": [{"line": f"{n} Brick Lane", "city": "Bern"}, {"line": f"{n} Tower Road", "city": "Basel"}],
        "language": ("de", "fr", "it")[n % 3],
        "marketing_opt_in": n % 2 == 0,
    }


def sign_up(shop: Shop, name: str, n: int) -> None:
    commerce = "/partners/v1/commerce"
    legacy = with_retries(lambda: shop.call("PUT", f"{commerce}/legacy/customers/{name}", json=customer(n)))
    assert legacy.status_code in (200, 201)
    new = expected_profile(name, n)[1] | {"origin": "shop"}
    headers = {"If-None-Match": "*"}
    created = with_retries(lambda: shop.call("PUT", f"{commerce}/customers/{name}", json=new, headers=headers))
    # Also if the answer was lost and the request repeated: no other request has this name.
    assert created.status_code in (201, 412)


def expected_profile(name: str, n: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """A customer's legacy profile and the sign-up data."""
    own = {"identity_id": f"I-{name}", "name": f"New {n}", "email": f"{name.lower()}@example.com"}
    return customer(n), own


def messages(names: list[str], chance: random.Random) -> list[dict[str, Any]]:
    """One to three CREATED events for each customer and an UPDATED for one in three, shuffled."""
    shuffled = []
    for name in names:
        shuffled += [message("CREATED", name)] * chance.choice((1, 1, 2, 3))
        shuffled += [message("UPDATED", name)] * (chance.random() < 1 / 3)
    chance.shuffle(shuffled)
    return shuffled


def message(status: str, name: str) -> dict[str, Any]:
    meta_data = {
        "site_id": "Brick Shop",
        "type": "CUSTOMER",
        "subtype": "PROFILE",
        "status": status,
        "version": "1",
        "event_id": str(uuid4()),
        "correlation_id": f"signup-{name}",
        "occurred_at": "2026-01-01T12:00:00.000+00:00",
    }
    data: dict[str, Any] = {"customer_id": name} | ({"version": 1} if status == "UPDATED" else {})
    attributes = {"type": "CUSTOMER", "subtype": "PROFILE", "status": status, "origin": "shop"}
    return {
        "Message": json.dumps({"event": {"meta_data": meta_data, "data": data}}),
        "MessageAttributes": {each: {"DataType": "String", "StringValue": text} for each, text in attributes.items()},
    }


def publish(shop: Shop, batch: list[dict[str, Any]]) -> None:
    entries = [{"Id": str(n)} | each for n, each in enumerate(batch)]
    topic = shop.address("customers", "customer-topic-arn")
    assert not shop.aws("sns").publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries).get("Failed")


def drained(shop: Shop) -> bool:
    """True if no migration is pending, including earlier tests'; otherwise raises AssertionError with the queue depths."""
    depth_by_queue = depths(shop, "customer-migration-migrations")
    assert not {queue for queue in depth_by_queue if not is_dead(queue)}, f"still to be migrated: {depth_by_queue}"
    return True


@pytest.mark.timeout(2 * TIMEOUT + 120)
def test_sign_ups_are_migrated_exactly_once_despite_failures(shop: Shop):
    chance = random.Random(SEED)
    names = [unique("C") for _ in range(SIGNUPS)]
    eventually(lambda: drained(shop), timeout=TIMEOUT, every=1)
    promises = Promises.of(shop)
    with ThreadPoolExecutor(8) as people:
        list(people.map(lambda n: sign_up(shop, names[n], n), range(SIGNUPS)))
    events = messages(names, chance)
    with shop.faults("commerce", error_rate=0.2):
        for start in range(0, len(events), 10):
            publish(shop, events[start : start + 10])
        eventually(lambda: drained(shop), timeout=TIMEOUT, every=1)
    promises.customers = [Customer(name, *expected_profile(name, n)) for n, name in enumerate(names)]
    assert_invariants(shop, promises)

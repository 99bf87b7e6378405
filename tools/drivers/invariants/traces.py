"""Invariants of queues, of events on the bus and of logs."""

import json
import re
from collections.abc import Iterator
from typing import Any

from setpieces.events import parse
from tools.client import Shop
from tools.drivers.invariants.violations import Violations, for_each
from tools.drivers.promises import Promises
from tools.drivers.queues import bodies, depths, is_dead

BUS_LOG_GROUP = "/aws/events/checkout-bus"


def queues_are_drained(shop: Shop, promises: Promises) -> Violations:
    """No messages are waiting, and all dead letters are expected."""
    violations = []
    for queue, depth in depths(shop).items():
        new = depth - promises.initial_depths.get(queue, 0)
        if new <= 0:
            continue
        if not is_dead(queue):
            violations.append(f"{depth} messages wait on {queue}")
            continue
        expected = [
            body for body in bodies(shop, queue) if any(text in body for text in promises.expected_dead_letters)
        ]
        if unexpected := new - len(expected):
            violations.append(f"{unexpected} unexpected dead letters on {queue}")
    return violations


def every_event_on_the_bus_is_valid(shop: Shop, promises: Promises) -> Violations:
    """Every event matches its schema, and events with the same id are equal."""
    violations: Violations = []
    data_by_id: dict[str, Any] = {}
    for message in log_messages(shop, BUS_LOG_GROUP, promises.started):
        detail = json.loads(message)["detail"]
        try:
            event = parse(detail)
        except Exception as error:
            violations.append(f"an event on the bus is invalid: {error}"[:200])
            continue
        if data_by_id.setdefault(event.event_id, event.data) != event.data:
            violations.append(f"two events on the bus have the id {event.event_id}")
    return violations


def no_log_contains_secrets(shop: Shop, promises: Promises) -> Violations:
    """No log contains an address, password, session, payment token, voucher code or signature of this run."""
    if not promises.secrets:
        return []
    secrets = re.compile("|".join(map(re.escape, sorted(promises.secrets, key=len, reverse=True))))
    pages = shop.aws("logs").get_paginator("describe_log_groups").paginate()
    groups = [group["logGroupName"] for page in pages for group in page["logGroups"]]

    def check(group: str) -> Iterator[str]:
        for message in log_messages(shop, group, promises.started):
            if match := secrets.search(message):
                # The first characters identify the secret without revealing it in this report.
                yield f"{group} contains {match[0][:8]}... in {secrets.sub('***', message)[:300]}"
                return

    return for_each(groups, check)


def log_messages(shop: Shop, group: str, since: float) -> Iterator[str]:
    """The messages of a log group since ``since`` (epoch seconds)."""
    pages = (
        shop.aws("logs").get_paginator("filter_log_events").paginate(logGroupName=group, startTime=int(since * 1000))
    )
    return (event["message"] for page in pages for event in page["events"])

"""Duplicate, late and reordered messages, clock skew, invalid messages, partner outages, killed workers, a restart.

Clients use the shop meanwhile. Afterwards dead letters are redriven, the campaign's archive of the bus is replayed,
and all promises still hold. ``SETPIECES_SEED`` repeats a run, ``SETPIECES_TORTURE=1`` walks longer. The report is in
``.local/reports/delivery-campaign.md``. docs/resilience.md
"""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import httpx
import pytest

from local.cloud.processes import EMULATOR, kill_workers
from local.settings import STATE
from tests.integration.consumers import consumers
from tests.resilience.disturbances import configure_deliveries, wait_until_idle
from tests.resilience.journeys import (
    JOURNEYS,
    Journey,
    buy_as_guest,
    buy_as_member,
    publish_sitemaps,
    view_live_map,
    walk,
)
from tests.resilience.seed import SEED, TORTURE
from tools import dead_letters
from tools.client import Shop, eventually, unique
from tools.drivers.invariants.runner import RECOVERY_SECONDS, format_violations, remaining_violations
from tools.drivers.invariants.violations import Violations
from tools.drivers.promises import Promises
from tools.drivers.queues import depths, is_dead

TIMES = 5 if TORTURE else 1
REPORT = STATE / "reports" / "delivery-campaign.md"

DELIVERIES = {"twice": 1, "late_seconds": 2, "clock_skew_seconds": 240}
PARTNERS = ("commerce", "payments", "sap", "tax", "rewards", "identity")
# Duration of an outage, and the pause before the next one.
OUTAGE_SECONDS, BETWEEN_SECONDS = 2, 4
# How often all workers are killed: their messages stay invisible for six times the function's timeout.
KILLS = 100 if TORTURE else 3
# A local restart ends state machine executions, unlike AWS, so journeys that start some run before it.
AROUND_THE_RESTART: tuple[Journey, ...] = (buy_as_guest, buy_as_member, view_live_map)


@dataclass
class Report:
    """The report of the campaign."""

    promises: Promises
    started: float = field(default_factory=time.monotonic)
    lines: list[str] = field(default_factory=list)

    def add(self, line: str) -> None:
        self.lines.append(f"* {time.monotonic() - self.started:4.0f} s  {line}")

    def write(self) -> None:
        promised = ", ".join(f"{count} {what}" for what, count in self.promises.summary().items())
        head = [f"# Delivery campaign, seed {SEED}{', long' if TORTURE else ''}", "", f"Promised: {promised}.", ""]
        REPORT.parent.mkdir(parents=True, exist_ok=True)
        REPORT.write_text("\n".join([*head, *self.lines]) + "\n")


class Trouble:
    """Takes down one partner at a time and kills all function processes after each outage."""

    def __init__(self, shop: Shop) -> None:
        self.shop, self.chance, self.over = shop, random.Random(SEED), threading.Event()
        self.outages, self.kills, self.killed = 0, 0, 0

    def run(self) -> None:
        while not self.over.wait(BETWEEN_SECONDS):
            partner = self.chance.choice(PARTNERS)
            self.outages += self._set_fault("PUT", partner, json={"outage": True})
            self.over.wait(OUTAGE_SECONDS)
            if self.kills < KILLS:
                self.kills += 1
                self.killed += kill_workers()
            eventually(partial(self._set_fault, "DELETE", partner))

    def _set_fault(self, method: str, partner: str, **options: Any) -> bool:
        """True if the fault was set; its process may have been killed, or the cloud may be stopping."""
        with suppress(httpx.HTTPError):
            return self.shop.call(method, f"/partners/v1/faults/{partner}", **options).is_success
        return False


@contextmanager
def trouble(shop: Shop) -> Iterator[Trouble]:
    trouble = Trouble(shop)
    thread = threading.Thread(target=trouble.run)
    thread.start()
    try:
        yield trouble
    finally:
        trouble.over.set()
        thread.join()


@contextmanager
def archive_bus(shop: Shop) -> Iterator[str]:
    """The ARN of an archive of the bus; the local cloud omits the template's archive."""
    bus, name = shop.aws("events"), unique("campaign")[:48]
    arn = bus.create_archive(ArchiveName=name, EventSourceArn=shop.address("event-bus", "bus-arn"))["ArchiveArn"]
    try:
        yield arn
    finally:
        bus.delete_archive(ArchiveName=name)


def send_invalid_messages(shop: Shop, promises: Promises) -> int:
    """Send an invalid message to every consumer's queue. Returns the number of messages."""
    sqs, nonsense = shop.aws("sqs"), unique("no json")
    promises.expected_dead_letters.add(nonsense)
    queues = sorted({consumer.values[0] for consumer in consumers()})
    for queue in queues:
        ordered = {"MessageGroupId": nonsense, "MessageDeduplicationId": nonsense} if queue.endswith(".fifo") else {}
        sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName=queue)["QueueUrl"], MessageBody=nonsense, **ordered)
    return len(queues)


def restart(shop: Shop) -> None:
    """Restart the emulator with its state, like `make stop` and `make start`; the front door and storefront stay up."""
    EMULATOR.stop()
    EMULATOR.start(seconds=60)
    configure_deliveries(shop, "PUT", seed=SEED + 1, **DELIVERIES)


def redrive(shop: Shop, promises: Promises) -> dict[str, int]:
    """Redrive the run's dead letters as in docs/runbooks/dead-letters.md. Returns message counts by queue."""
    moved = {}
    for url in dead_letters.queues(shop):
        queue = dead_letters.name(url)
        with dead_letters.messages_of(shop, url) as letters:
            queues = [
                one for one in letters if any(text in one.message["Body"] for text in promises.expected_dead_letters)
            ]
        if queues and len(queues) == len(letters):
            moved[queue] = dead_letters.redrive(shop, url)
    return moved


def replay(shop: Shop, archive: str, begin: datetime) -> int:
    """Replay the archive since ``begin``. Returns the archive's number of events."""
    bus, name = shop.aws("events"), unique("replay")
    bus.start_replay(
        ReplayName=name,
        EventSourceArn=archive,
        EventStartTime=begin,
        EventEndTime=datetime.now(UTC) + timedelta(seconds=1),
        Destination={"Arn": shop.address("event-bus", "bus-arn")},
    )
    eventually(lambda: bus.describe_replay(ReplayName=name)["State"] == "COMPLETED")
    return bus.describe_archive(ArchiveName=archive.rpartition("/")[2])["EventCount"]


def delete_dead_letters(shop: Shop, promises: Promises) -> None:
    """Delete the dead letters of this run."""
    sqs = shop.aws("sqs")
    for queue in filter(is_dead, depths(shop)):
        url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
        with dead_letters.messages_of(shop, url) as letters:
            for letter in letters:
                if any(text in letter.message["Body"] for text in promises.expected_dead_letters):
                    sqs.delete_message(QueueUrl=url, ReceiptHandle=letter.message["ReceiptHandle"])


@pytest.mark.timeout(1800)
def test_promises_hold_under_duplicate_late_and_lost_deliveries(shop: Shop):
    print(f"To repeat this: SETPIECES_SEED={SEED}{' SETPIECES_TORTURE=1' if TORTURE else ''}; report: {REPORT}")
    promises, begin = Promises.of(shop), datetime.now(UTC) - timedelta(seconds=1)
    report = Report(promises)
    try:
        with archive_bus(shop) as archive:
            configure_deliveries(shop, "PUT", seed=SEED, **DELIVERIES)
            report.add(f"{send_invalid_messages(shop, promises)} poisonous messages")
            with trouble(shop) as met:
                walk(shop, promises, SEED, TIMES, journeys=[one for one in JOURNEYS if one is not publish_sitemaps])
            report.add(
                f"walked: {met.outages} outages, {met.killed} workers killed, {configure_deliveries(shop, 'GET')['done']}"
            )
            check_promises(shop, promises, report, "settled")

            restarting = threading.Thread(target=restart, args=(shop,))
            restarting.start()
            walk(shop, promises, SEED + 1, 2 * TIMES, journeys=AROUND_THE_RESTART)
            restarting.join()
            report.add(f"the cloud was restarted: {configure_deliveries(shop, 'GET')['done']} since then")
            check_promises(shop, promises, report, "settled after the restart")

            report.add(f"redriven: {redrive(shop, promises)}")
            report.add(f"replayed: {replay(shop, archive, begin)} events")
            wait_until_idle(shop, promises, timeout=RECOVERY_SECONDS)
            check_promises(shop, promises, report, "settled after redrive and replay")
            assert configure_deliveries(shop, "GET")["done"]["doubled"]
    finally:
        configure_deliveries(shop, "DELETE")
        report.write()
        delete_dead_letters(shop, promises)
    print(REPORT.read_text())


def check_promises(shop: Shop, promises: Promises, report: Report, when: str) -> None:
    """Fail the test if an invariant is violated."""
    violations_by_invariant: dict[str, Violations] = remaining_violations(shop, promises, RECOVERY_SECONDS)
    report.add(
        f"{when}: {format_violations(violations_by_invariant) if violations_by_invariant else 'every promise is kept'}"
    )
    if violations_by_invariant:
        pytest.fail(f"seed {SEED}, {when}: {format_violations(violations_by_invariant)}", pytrace=False)

"""``make events`` in a terminal: it shows events, ends with Ctrl-C, and leaves nothing behind."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import pytest

from model.settings import ROOT
from tests.integration.spokes import about, placed, put
from tools.client import FLOW_SECONDS, Shop, eventually

COMPLETE = ("CHECKOUT", "ORDER", "COMPLETE")


@contextmanager
def tail(*options: str) -> Iterator[tuple[subprocess.Popen, list[str]]]:
    """A running tail that listens, and its lines so far."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tools.cli", "events", *options],
        cwd=ROOT,
        env=os.environ | {"COLUMNS": "200"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # Shells start background jobs with SIGINT ignored, and so would be what a test in one starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    lines: list[str] = []
    # Lines are added one by one, so that a test can wait for them.
    assert process.stdout
    follower = Thread(target=lines.extend, args=[process.stdout], daemon=True)
    follower.start()
    try:
        eventually(lambda: any("Listening" in line for line in lines))
        yield process, lines
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(timeout=FLOW_SECONDS)
            finally:
                process.kill()
        follower.join(timeout=FLOW_SECONDS)


def left_behind(shop: Shop) -> list[str]:
    prefix = f"setpieces-{shop.stage}-tail-"
    queues = shop.aws("sqs").list_queues(QueueNamePrefix=prefix).get("QueueUrls", [])
    bus = shop.address("event-bus", "bus-name")
    rules = shop.aws("events").list_rules(EventBusName=bus, NamePrefix=prefix)["Rules"]
    return queues + [rule["Name"] for rule in rules]


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_cleanly_though_nothing_happened(shop: Shop, ending: signal.Signals):
    before = left_behind(shop)
    with tail("--correlation-id", "nobody-has-this") as (process, lines):
        assert len(left_behind(shop)) == len(before) + 2
        process.send_signal(ending)
        assert process.wait(timeout=FLOW_SECONDS) == 0
    assert lines[-1].strip() == "Stopped."
    assert sorted(left_behind(shop)) == sorted(before)


def test_it_shows_events_as_they_happen_and_sums_up(shop: Shop):
    number = placed(shop)
    event = about(shop, number, *COMPLETE)
    with tail() as (_, lines):
        shop.aws("events").put_events(
            Entries=[
                {
                    "EventBusName": shop.address("event-bus", "bus-name"),
                    "Source": "somebody",
                    "DetailType": "Something else",
                    "Detail": "{}",
                }
            ]
        )
        put(shop, event, source="order")
        put(shop, event, source="order")
        lines_of_order = eventually(lambda: both([line for line in lines if number in line]))
    assert all(
        part in lines_of_order[0]
        for part in ("CHECKOUT/ORDER/COMPLETE", event.correlation_id[:13], "order ", "shipping")
    )
    assert "duplicate" in lines_of_order[1]
    assert any("Something else" in line for line in lines)
    assert lines[-1].count("CHECKOUT/ORDER/COMPLETE") == 2


def both(lines: list[str]) -> list[str]:
    return lines if len(lines) == 2 else []


def test_it_can_follow_one_checkout(shop: Shop):
    own, other = (about(shop, placed(shop), *COMPLETE) for _ in range(2))
    with tail("--correlation-id", own.correlation_id) as (_, lines):
        put(shop, other, own, source="order")
        eventually(lambda: any(own.data["order_number"] in line for line in lines))
    assert other.data["order_number"] not in "".join(lines)


def test_it_can_end_by_itself():
    with tail("--seconds", "1") as (process, _):
        assert process.wait(timeout=FLOW_SECONDS) == 0


@pytest.mark.local_only("it is about a local cloud that does not run")
def test_without_a_shop_it_says_what_to_do():
    response = subprocess.run(
        [sys.executable, "-m", "tools.cli", "events"],
        cwd=ROOT,
        env=os.environ | {"SETPIECES_AWS_PORT": "1", "SETPIECES_STAGE": "local"},
        capture_output=True,
        text=True,
        timeout=FLOW_SECONDS,
    )
    assert response.returncode == 1
    assert "make start" in response.stderr
    assert "Traceback" not in response.stderr

"""``make events``: the events of the bus, live, one line each, coloured by checkout (correlation id).

Creates a rule and a queue, and deletes them at the end. Works on AWS as well: ``SETPIECES_STAGE=dev make events``.
"""

import json
import signal
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from model import routing
from tools.client import Shop, unique
from tools.failures import requires_shop

COLOURS = ("cyan", "magenta", "yellow", "green", "blue", "bright_red", "bright_cyan", "bright_magenta")
# Number of checkouts that are remembered for the time since their first event and for the summary.
MAX_CHECKOUTS = 500

console = Console(highlight=False)


@contextmanager
def listening(shop: Shop) -> Iterator[str]:
    """The URL of a queue that receives all events of the bus during the block."""
    sqs, bus = shop.aws("sqs"), shop.aws("events")
    name, bus_name = unique(f"setpieces-{shop.stage}-tail"), shop.address("event-bus", "bus-name")
    url = sqs.create_queue(QueueName=name, Attributes={"MessageRetentionPeriod": "3600"})["QueueUrl"]
    try:
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        account = shop.address("event-bus", "bus-arn").split(":")[4]
        rule = bus.put_rule(Name=name, EventBusName=bus_name, EventPattern=json.dumps({"account": [account]}))
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": rule["RuleArn"]}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
        bus.put_targets(Rule=name, EventBusName=bus_name, Targets=[{"Id": "tail", "Arn": arn}])
        yield url
    finally:
        for delete in (
            lambda: bus.remove_targets(Rule=name, EventBusName=bus_name, Ids=["tail"]),
            lambda: bus.delete_rule(Name=name, EventBusName=bus_name),
            lambda: sqs.delete_queue(QueueUrl=url),
        ):
            _delete(delete)


def _delete(delete: Any) -> None:
    """Delete one part, and continue if it was not created or the local cloud has stopped."""
    try:
        delete()
    except Exception as error:
        console.print(f"Not deleted: {error}", style="dim")


def receive_events(shop: Shop, url: str, wait_seconds: int = 5) -> list[dict[str, Any]]:
    """The next events of the queue as EventBridge delivered them, oldest first; empty after ``wait_seconds`` without any."""
    sqs = shop.aws("sqs")
    messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=wait_seconds).get(
        "Messages", []
    )
    for message in messages:
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return sorted((json.loads(message["Body"]) for message in messages), key=lambda event: _meta_data(event)[0])


def _meta_data(event: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """(time, meta data) of an event; of an event without our envelope, (time on the bus, {})."""
    detail = event.get("detail")
    envelope = detail.get("event") if isinstance(detail, dict) else None
    meta_data = envelope.get("meta_data") if isinstance(envelope, dict) else None
    if isinstance(meta_data, dict) and {"correlation_id", "event_id", "occurred_at", "status"} <= meta_data.keys():
        return meta_data["occurred_at"], meta_data
    return event.get("time", ""), {}


@dataclass
class Checkout:
    """The events of one correlation id; ``steps`` are (event id, type/subtype/status, seconds since the first)."""

    started: datetime
    steps: list[tuple[str, str, float]] = field(default_factory=list)


class Tail:
    """Formats events, and groups them by checkout."""

    def __init__(self) -> None:
        self._checkouts: dict[str, Checkout] = {}

    def line(self, event: dict[str, Any]) -> Text:
        """Time, correlation id, seconds since its first event, producer, event, data, and consumers."""
        occurred_at, meta_data = _meta_data(event)
        if not meta_data:
            return Text(f"{occurred_at[11:19]:12}  {event.get('source')} {event.get('detail-type')}", style="dim")
        kind = "/".join(meta_data[name] for name in ("type", "subtype", "status"))
        checkout = self._checkout(meta_data)
        duplicate = any(event_id == meta_data["event_id"] for event_id, _, _ in checkout.steps)
        since = (datetime.fromisoformat(occurred_at) - checkout.started).total_seconds()
        checkout.steps.append((meta_data["event_id"], kind, since))
        colour = _colour(meta_data["correlation_id"])
        text = Text(f"{occurred_at[11:23]}  ", style="dim")
        text.append(f"{meta_data['correlation_id'][:13]:13} ", style=colour)
        text.append(f"{since:+7.2f} s  ", style="dim")
        text.append(f"{_producer(event):14} ", style="dim")
        text.append(f"{kind:27}  ", style=f"bold {colour}")
        text.append(" ".join(f"{name}={value}" for name, value in event["detail"]["event"]["data"].items()))
        text.append(f"  → {_consumers(kind)}", style="dim")
        text.append("  duplicate" if duplicate else "", style="bold red")
        text.append("  replayed" if "replay-name" in event else "", style="bold red")
        return text

    def summary(self) -> Iterator[Text]:
        """One line with the events of each checkout that had more than one."""
        for correlation_id, checkout in self._checkouts.items():
            if len(checkout.steps) > 1:
                text = Text(f"{correlation_id[:13]:13}  ", style=_colour(correlation_id))
                text.append(" → ".join(f"{kind} {since:+.2f} s" for _, kind, since in checkout.steps))
                yield text

    def _checkout(self, meta_data: dict[str, Any]) -> Checkout:
        checkout = self._checkouts.get(meta_data["correlation_id"])
        if checkout is None:
            checkout = Checkout(datetime.fromisoformat(meta_data["occurred_at"]))
            self._checkouts[meta_data["correlation_id"]] = checkout
            if len(self._checkouts) > MAX_CHECKOUTS:
                self._checkouts.pop(next(iter(self._checkouts)))
        return checkout


def _colour(correlation_id: str) -> str:
    return COLOURS[zlib.crc32(correlation_id.encode()) % len(COLOURS)]


def _producer(event: dict[str, Any]) -> str:
    """``service-payment-local`` -> ``payment``."""
    return event["source"].removeprefix("service-").rpartition("-")[0] or event["source"]


def _consumers(kind: str) -> str:
    """The services that the event goes to, by the templates of this checkout of the repository."""
    has_sample = kind in routing.samples()
    return ", ".join(dict.fromkeys(route.service for route in routing.consumers(kind))) if has_sample else "no consumer"


@click.command(epilog="make events")
@click.option("--correlation-id", default="", help="Only events whose correlation id starts with this.")
@click.option("--seconds", default=0.0, help="Stop after this many seconds; 0 to run until Ctrl-C.")
@requires_shop
def main(correlation_id: str, seconds: float) -> None:
    """Print the events of the bus live."""
    shop, tail = Shop.from_environment(), Tail()
    deadline = time.monotonic() + seconds if seconds else float("inf")
    # Cleans up also when its terminal is closed.
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, signal.default_int_handler)
    try:
        with listening(shop) as url:
            console.print("Listening to the bus; Ctrl-C to stop. Try make demo in another terminal.", style="dim")
            while time.monotonic() < deadline:
                for event in receive_events(shop, url, wait_seconds=1 if seconds else 5):
                    if _meta_data(event)[1].get("correlation_id", "").startswith(correlation_id):
                        console.print(tail.line(event), soft_wrap=True)
    except KeyboardInterrupt:
        console.print("Stopped.", style="dim")
    for text in tail.summary():
        console.print(text, soft_wrap=True)

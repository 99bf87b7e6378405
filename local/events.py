"""``make events``: what happens on the bus, live, one line per event, coloured by checkout (correlation id).

A queue and a rule of its own listen to the bus while it runs, and are removed when it ends. Works on AWS as well:
``SETPIECES_STAGE=dev python -m local.events``.
"""

import json
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from local.shop import Shop, unique

COLOURS = ("cyan", "magenta", "yellow", "green", "blue", "bright_red", "bright_cyan", "bright_magenta")

console = Console(highlight=False)


@contextmanager
def listening(shop: Shop) -> Iterator[str]:
    """The URL of a queue that receives every event of the bus for the duration of the block."""
    sqs, bus = shop.aws("sqs"), shop.aws("events")
    name, bus_name = unique("setpieces-events"), shop.address("event-bus", "bus-name")
    url = sqs.create_queue(QueueName=name, Attributes={"MessageRetentionPeriod": "3600"})["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    rule = bus.put_rule(
        Name=name,
        EventBusName=bus_name,
        EventPattern=json.dumps({"account": [shop.address("event-bus", "bus-arn").split(":")[4]]}),
    )["RuleArn"]
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": rule}},
    }
    sqs.set_queue_attributes(
        QueueUrl=url, Attributes={"Policy": json.dumps({"Version": "2012-10-17", "Statement": [statement]})}
    )
    bus.put_targets(Rule=name, EventBusName=bus_name, Targets=[{"Id": "tail", "Arn": arn}])
    try:
        yield url
    finally:
        bus.remove_targets(Rule=name, EventBusName=bus_name, Ids=["tail"])
        bus.delete_rule(Name=name, EventBusName=bus_name)
        sqs.delete_queue(QueueUrl=url)


def received(shop: Shop, url: str, wait_seconds: int = 5) -> list[dict[str, Any]]:
    """The next events of the queue, each as EventBridge delivered it; empty if none came in time."""
    sqs = shop.aws("sqs")
    messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=wait_seconds).get(
        "Messages", []
    )
    for message in messages:
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return [json.loads(message["Body"]) for message in messages]


def line(event: dict[str, Any]) -> Text:
    """One event for the eye: time, correlation id, who, what, about what."""
    meta_data, data = event["detail"]["event"]["meta_data"], event["detail"]["event"]["data"]
    correlation_id = meta_data["correlation_id"]
    colour = COLOURS[zlib.crc32(correlation_id.encode()) % len(COLOURS)]
    text = Text(meta_data["occurred_at"][11:23] + "  ", style="dim")
    text.append(f"{correlation_id[:8]:8}  ", style=colour)
    text.append(f"{event['source']:32}  ", style="dim")
    text.append(f"{meta_data['type']}/{meta_data['subtype']}/{meta_data['status']}  ", style=f"bold {colour}")
    text.append(" ".join(f"{name}={value}" for name, value in data.items()))
    return text


@click.command()
@click.option("--correlation-id", default="", help="Only events whose correlation id begins with this.")
@click.option("--seconds", default=0.0, help="Stop after so many seconds; 0 to run until Ctrl-C.")
def main(correlation_id: str, seconds: float) -> None:
    """Print the events of the bus as they come."""
    shop = Shop.from_environment()
    deadline = time.monotonic() + seconds if seconds else float("inf")
    with listening(shop) as url:
        console.print("Listening to the bus; Ctrl-C ends it. Try `make demo` in another terminal.", style="dim")
        try:
            while time.monotonic() < deadline:
                for event in received(shop, url, wait_seconds=1 if seconds else 5):
                    if event["detail"]["event"]["meta_data"]["correlation_id"].startswith(correlation_id):
                        console.print(line(event), soft_wrap=True)
        except KeyboardInterrupt:
            console.print("Stopped.", style="dim")


if __name__ == "__main__":
    main()

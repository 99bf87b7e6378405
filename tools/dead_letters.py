"""Dead letters of all services: lists them with their reasons, and redrives them.

    python -m tools.cli dead-letters                                    all queues
    python -m tools.cli dead-letters --queue payments                   queues whose name contains this
    python -m tools.cli dead-letters --queue payments-submitted --redrive [--about T100000001] [--rate 50]

Works on AWS as well (``SETPIECES_STAGE=dev``). Prints the references in a body, but not the body. docs/runbooks/dead-letters.md
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import click
from rich.console import Console

from tools.client import Shop
from tools.failures import CommandFailed, did_you_mean, requires_shop

# Messages are invisible for this time while they are read.
VISIBILITY_SECONDS = 60
# Dead letters of queue x are in x-dlq, or in x-parked if a function consumes x-dlq.
DEAD = ("-dlq", "-parked")
MAX_MESSAGES = 1000

console = Console(highlight=False)


@dataclass(frozen=True)
class DeadLetter:
    """A message of a dead-letter queue. References that it does not have are empty."""

    queue: str
    message: dict[str, Any]

    @property
    def reason(self) -> str:
        """The reason of the function, EventBridge or Lambda; by default it was received too often."""
        return self._attribute("reason", "ERROR_CODE") or self._find("condition") or "RECEIVES_USED_UP"

    @property
    def detail(self) -> str:
        return self._attribute("detail", "ERROR_MESSAGE") or self._find("errorMessage")

    @property
    def call(self) -> tuple[str, str] | None:
        """(function, payload) if it is a failed invocation of Lambda or EventBridge; None if it is a message of a queue.

        https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
        """
        body = self.message["Body"]
        if ":function:" in (target := self._attribute("TARGET_ARN")):
            return target, body
        if function := self._find("functionArn"):
            return function, json.dumps(json.loads(body)["requestPayload"])
        return None

    @property
    def about(self) -> str:
        """The order or customer that the message is about."""
        return self._find("order_number") or self._find("customer_id")

    @property
    def event(self) -> str:
        """The event's type, subtype and status, e.g. ``CHECKOUT/ORDER/SUBMIT``."""
        return "/".join(filter(None, (self._find(name) for name in ("type", "subtype", "status"))))

    @property
    def correlation_id(self) -> str:
        return self._find("correlation_id")

    @property
    def sent(self) -> str:
        """The time (UTC) at which it was sent to its first queue, or by a function to this one."""
        milliseconds = int(self.message["Attributes"]["SentTimestamp"])
        return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")

    def __str__(self) -> str:
        first = f"{self.about:10}  {self.event:23}  {self.reason:22}  {self.sent}  {self.correlation_id}"
        return f"{first}  {self.detail}".rstrip()

    def _attribute(self, *names: str) -> str:
        attributes = self.message.get("MessageAttributes", {})
        return next((attributes[name]["StringValue"] for name in names if name in attributes), "")

    def _find(self, name: str) -> str:
        try:
            return _find(json.loads(self.message["Body"]), name)
        except ValueError:
            return ""


def _find(value: Any, name: str) -> str:
    """The string member ``name`` at any depth, also within JSON strings, as topics wrap messages; "" if there is none."""
    if isinstance(value, str) and value.startswith("{"):
        try:
            return _find(json.loads(value), name)
        except ValueError:
            return ""
    if isinstance(value, dict) and isinstance(value.get(name), str):
        return value[name]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return next(filter(None, (_find(item, name) for item in inner)), "")


def queues(shop: Shop, part: str = "") -> list[str]:
    """The URLs of the stage's dead-letter queues, or of those whose name contains ``part``."""
    pages = shop.aws("sqs").get_paginator("list_queues").paginate(QueueNamePrefix=f"setpieces-{shop.stage}-")
    urls = (url for page in pages for url in page.get("QueueUrls", []))
    return sorted(url for url in urls if _is_dead(name(url)) and part in name(url))


def name(url: str) -> str:
    return url.rpartition("/")[2]


def _is_dead(queue: str) -> bool:
    return queue.removesuffix(".fifo").endswith(DEAD)


def source(queue: str) -> str:
    """The source queue of a dead-letter queue, by the naming rule: ``x-dlq.fifo`` -> ``x.fifo``."""
    stem, dot, suffix = queue.partition(".")
    return f"{stem.rpartition('-')[0]}{dot}{suffix}"


@contextmanager
def messages_of(shop: Shop, url: str) -> Iterator[list[DeadLetter]]:
    """The messages of a queue. They are invisible during the block; messages that it did not delete become visible again."""
    sqs = shop.aws("sqs")
    letters: list[DeadLetter] = []
    while len(letters) < MAX_MESSAGES:
        messages = sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=10,
            VisibilityTimeout=VISIBILITY_SECONDS,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["All"],
        ).get("Messages", [])
        if not messages:
            break
        letters += [DeadLetter(name(url), message) for message in messages]
    try:
        yield letters
    finally:
        for letter in letters:
            _make_visible(sqs, url, letter)


def _make_visible(sqs: Any, url: str, letter: DeadLetter) -> None:
    try:
        sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=letter.message["ReceiptHandle"], VisibilityTimeout=0)
    except sqs.exceptions.ClientError:
        # It was deleted, or is visible again after VISIBILITY_SECONDS.
        return


def redrive(shop: Shop, url: str, about: str = "", rate: float = 50) -> int:
    """Redrive messages (of one order or customer), at most ``rate`` a second, and return their number.

    A message is sent to its source queue; a failed invocation is repeated, asynchronously. Then it is deleted: a crash in
    between makes a duplicate, which consumers tolerate, and loses nothing.
    """
    moved, started = 0, time.monotonic()
    with messages_of(shop, url) as letters:
        for letter in letters:
            if about and letter.about != about:
                continue
            time.sleep(max(0.0, started + moved / rate - time.monotonic()))
            _redrive_one(shop, url, letter)
            shop.aws("sqs").delete_message(QueueUrl=url, ReceiptHandle=letter.message["ReceiptHandle"])
            moved += 1
    return moved


def _redrive_one(shop: Shop, url: str, letter: DeadLetter) -> None:
    if letter.call:
        function, payload = letter.call
        shop.aws("lambda").invoke(FunctionName=function, InvocationType="Event", Payload=payload.encode())
        return
    sqs = shop.aws("sqs")
    source_url = sqs.get_queue_url(QueueName=source(name(url)))["QueueUrl"]
    message: dict[str, Any] = {"QueueUrl": source_url, "MessageBody": letter.message["Body"]}
    if group := letter.message["Attributes"].get("MessageGroupId"):
        # A new deduplication id: with the old one, SQS drops a second redrive within five minutes.
        message |= {"MessageGroupId": group, "MessageDeduplicationId": letter.message["MessageId"]}
    sqs.send_message(**message)


@click.command(epilog="python -m tools.cli dead-letters --queue payments")
@click.option("--queue", default="", help="Only dead-letter queues whose name contains this.")
@click.option("--about", default="", help="Redrive only messages of this order number or customer id.")
@click.option("--redrive", "redrives", is_flag=True, help="Send messages back to their source queue; needs --queue.")
@click.option("--rate", type=click.FloatRange(min=0.1), default=50, help="Messages per second.")
@requires_shop
def main(queue: str, about: str, redrives: bool, rate: float) -> None:
    """List dead letters, or redrive them."""
    shop = Shop.from_environment()
    if redrives:
        if not queue:
            raise click.UsageError(
                "--redrive needs --queue. List the dead letters first, then redrive those of one queue."
            )
        for url in _queues(shop, queue):
            console.print(f"Redrove {redrive(shop, url, about, rate)} messages of {name(url)}.")
        return
    total = 0
    for url in _queues(shop, queue):
        with messages_of(shop, url) as letters:
            total += len(letters)
            if letters:
                console.print(f"[bold]{name(url)}[/]: {len(letters)}")
            for letter in letters:
                console.print(f"  {letter}", soft_wrap=True, markup=False)
    if not total:
        console.print("No dead letters.")


def _queues(shop: Shop, part: str) -> list[str]:
    """As ``queues``. Raises ``CommandFailed`` if no name contains ``part``."""
    urls = queues(shop, part)
    if part and not urls:
        names = [name(url).removeprefix(f"setpieces-{shop.stage}-") for url in queues(shop)]
        raise CommandFailed(
            f"No dead-letter queue has a name with {part}.{did_you_mean(part, names)} "
            "Without --queue, all dead-letter queues are listed."
        )
    return urls

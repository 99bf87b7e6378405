"""``make trace ORDER=T123456789``: one order's way through the system, from the logs of every function and of the bus.

Every line of a log carries the correlation id of its request, and so does every event; so one search finds them all, in order,
here as on AWS (``SETPIECES_STAGE=dev make trace ORDER=T123456789``).
"""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from tools.client import Shop
from tools.failures import CommandFailed, did_you_mean, requires_shop
from tools.logs import COMMON_FIELDS, read_events
from tools.options import OrderNumber


@dataclass(frozen=True, order=True)
class Step:
    """Something that happened: ``at`` (ISO 8601), ``where`` (a function or the bus), ``what``, and ``level``."""

    at: str
    where: str
    what: str
    level: str = "INFO"


def correlation_of(shop: Shop, order_number: str) -> str:
    """The correlation id of an order. Raises ``LookupError`` if there is no such order, or it has expired."""
    table = shop.address("orders", "table-name")
    key = {"order_number": {"S": order_number}}
    item = shop.aws("dynamodb").get_item(TableName=table, Key=key).get("Item")
    if not item:
        raise LookupError(f"Order {order_number} does not exist in stage {shop.stage}, or has expired.")
    return item["correlation_id"]["S"]


def recent_orders(shop: Shop) -> list[str]:
    """Some order numbers to suggest; none on AWS, where reading a table costs."""
    if shop.stage != "local":
        return []
    table = shop.address("orders", "table-name")
    items = shop.aws("dynamodb").scan(TableName=table, ProjectionExpression="order_number", Limit=1000)["Items"]
    return sorted({item["order_number"]["S"] for item in items})


def step_of_function(group: str, stage: str, message: str) -> Step | None:
    """A line of a function's log; none for what is not JSON, such as Lambda's own lines, and for metrics."""
    record = _json(message)
    if not record or "_aws" in record or "message" not in record:
        return None
    details = " ".join(
        f"{name}={value}" for name, value in record.items() if name not in COMMON_FIELDS and value is not None
    )
    error = record.get("exception_name", "")
    what = "  ".join(part for part in (str(record["message"]), details, error) if part)
    where = group.removeprefix("/aws/lambda/").removeprefix(f"setpieces-{stage}-")
    return Step(_utc(record["timestamp"]), where, what, record.get("level", "INFO"))


def step_of_bus(message: str) -> Step | None:
    """A line of the bus's catch-all log: an event."""
    event = _json(message)
    envelope = (event or {}).get("detail", {}).get("event")
    if not event or not envelope:
        return None
    meta_data = envelope["meta_data"]
    kind = "/".join(meta_data[name] for name in ("type", "subtype", "status"))
    data = " ".join(f"{name}={value}" for name, value in envelope["data"].items())
    return Step(_utc(meta_data["occurred_at"]), "checkout-bus", f"{kind}  {data}  from {event['source']}", "EVENT")


def steps(shop: Shop, correlation_id: str, since: datetime) -> list[Step]:
    """All that the logs of a stage say of ``correlation_id``, in order."""
    logs, start = shop.aws("logs"), int(since.timestamp() * 1000)
    pages = logs.get_paginator("describe_log_groups").paginate(
        logGroupNamePrefix=f"/aws/lambda/setpieces-{shop.stage}-"
    )
    groups = [group["logGroupName"] for page in pages for group in page["logGroups"]]
    bus = shop.address("event-bus", "catch-all-log-name")

    def found(group: str) -> list[Step]:
        lines = _lines(logs, group, correlation_id, start)
        if group == bus:
            return [step for line in lines if (step := step_of_bus(line))]
        return [step for line in lines if (step := step_of_function(group, shop.stage, line))]

    with ThreadPoolExecutor(8) as searches:
        return sorted({step for some in searches.map(found, [*groups, bus]) for step in some})


def _lines(logs: Any, group: str, text: str, start: int) -> list[str]:
    try:
        return [event["message"] for event in read_events(logs, group, start, text)]
    except logs.exceptions.ResourceNotFoundException:  # a function that has not run yet
        return []


def _json(message: str) -> dict[str, Any] | None:
    try:
        record = json.loads(message)
    except json.JSONDecodeError:
        return None
    return record if isinstance(record, dict) else None


def _utc(timestamp: str) -> str:
    return datetime.fromisoformat(timestamp).astimezone(UTC).isoformat(timespec="milliseconds")


def printed(found: list[Step]) -> Iterator[Text]:
    """A line for each step, with the seconds since the first."""
    first = datetime.fromisoformat(found[0].at)
    styles = {"EVENT": "bold green", "WARNING": "yellow", "ERROR": "red", "CRITICAL": "red"}
    for step in found:
        since = (datetime.fromisoformat(step.at) - first).total_seconds()
        yield Text.assemble(
            (f"{step.at[11:23]}  {since:+8.3f} s  ", "dim"),
            (f"{step.where:34}  ", "cyan"),
            (step.what, styles.get(step.level, "")),
        )


@click.command(epilog="make trace ORDER=T100000001")
@click.argument("order", envvar="ORDER", type=OrderNumber())
@click.option("--hours", type=click.IntRange(min=1), default=24, show_default=True, help="Hours to search back.")
@requires_shop
def main(order: str, hours: int) -> None:
    """Trace ORDER (T and nine to twelve digits) through the logs of all services."""
    shop, console = Shop.from_environment(), Console(highlight=False)
    try:
        correlation_id = correlation_of(shop, order)
    except LookupError as error:
        raise CommandFailed(f"{error}{did_you_mean(order, recent_orders(shop))}") from error
    found = steps(shop, correlation_id, datetime.now(UTC) - timedelta(hours=hours))
    console.print(f"{order}: correlation id {correlation_id}, {len(found)} steps", style="bold")
    if not found:
        raise CommandFailed(f"No log of the last {hours} hours contains {order}; --hours searches further back.")
    for line in printed(found):
        console.print(line, soft_wrap=True)

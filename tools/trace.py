"""``make trace ORDER=T123456789``: all log lines and events of an order, in order of time.

They share the correlation id of the order's request. Works on AWS as well: ``SETPIECES_STAGE=dev make trace ORDER=...``.
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
    """A log line or an event: ``at`` (ISO 8601), ``where`` (a function or the bus), ``what``, and ``level``."""

    at: str
    where: str
    what: str
    level: str = "INFO"


def correlation_of(shop: Shop, order_number: str) -> str:
    """The correlation id of an order. Raises ``LookupError`` if the order does not exist or has expired."""
    table = shop.address("orders", "table-name")
    key = {"order_number": {"S": order_number}}
    item = shop.aws("dynamodb").get_item(TableName=table, Key=key).get("Item")
    if not item:
        raise LookupError(f"Order {order_number} does not exist in stage {shop.stage}, or has expired.")
    return item["correlation_id"]["S"]


def recent_orders(shop: Shop) -> list[str]:
    """Order numbers for suggestions; empty on AWS, where a scan has a cost."""
    if shop.stage != "local":
        return []
    table = shop.address("orders", "table-name")
    items = shop.aws("dynamodb").scan(TableName=table, ProjectionExpression="order_number", Limit=1000)["Items"]
    return sorted({item["order_number"]["S"] for item in items})


def step_of_function(group: str, stage: str, message: str) -> Step | None:
    """A line of a function's log; None for metrics and for lines that are not JSON, such as Lambda's own."""
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
    """An event of the bus's catch-all log; None for an event without our envelope."""
    event = _json(message)
    envelope = (event or {}).get("detail", {}).get("event")
    if not event or not envelope:
        return None
    meta_data = envelope["meta_data"]
    kind = "/".join(meta_data[name] for name in ("type", "subtype", "status"))
    data = " ".join(f"{name}={value}" for name, value in envelope["data"].items())
    return Step(_utc(meta_data["occurred_at"]), "checkout-bus", f"{kind}  {data}  from {event['source']}", "EVENT")


def steps(shop: Shop, correlation_id: str, since: datetime) -> list[Step]:
    """The log lines and events with ``correlation_id``, in order of time."""
    logs, start = shop.aws("logs"), int(since.timestamp() * 1000)
    pages = logs.get_paginator("describe_log_groups").paginate(
        logGroupNamePrefix=f"/aws/lambda/setpieces-{shop.stage}-"
    )
    groups = [group["logGroupName"] for page in pages for group in page["logGroups"]]
    bus = shop.address("event-bus", "catch-all-log-name")

    def steps_of(group: str) -> list[Step]:
        lines = _lines(logs, group, correlation_id, start)
        if group == bus:
            return [step for line in lines if (step := step_of_bus(line))]
        return [step for line in lines if (step := step_of_function(group, shop.stage, line))]

    with ThreadPoolExecutor(8) as threads:
        return sorted({step for group_steps in threads.map(steps_of, [*groups, bus]) for step in group_steps})


def _lines(logs: Any, group: str, text: str, start: int) -> list[str]:
    try:
        return [event["message"] for event in read_events(logs, group, start, text)]
    except logs.exceptions.ResourceNotFoundException:  # the function has not run yet
        return []


def _json(message: str) -> dict[str, Any] | None:
    try:
        record = json.loads(message)
    except json.JSONDecodeError:
        return None
    return record if isinstance(record, dict) else None


def _utc(timestamp: str) -> str:
    return datetime.fromisoformat(timestamp).astimezone(UTC).isoformat(timespec="milliseconds")


def format_steps(steps: list[Step]) -> Iterator[Text]:
    """A line for each step, with the seconds since the first."""
    first = datetime.fromisoformat(steps[0].at)
    styles = {"EVENT": "bold green", "WARNING": "yellow", "ERROR": "red", "CRITICAL": "red"}
    for step in steps:
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
    trace = steps(shop, correlation_id, datetime.now(UTC) - timedelta(hours=hours))
    console.print(f"{order}: correlation id {correlation_id}, {len(trace)} steps", style="bold")
    if not trace:
        raise CommandFailed(f"No log of the last {hours} hours contains {order}; --hours searches further back.")
    for line in format_steps(trace):
        console.print(line, soft_wrap=True)

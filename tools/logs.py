"""``make logs FN=basket-add-item``: a function's log, one line per event; without FN, the functions and when they last ran.

    make logs FN=basket-add-item [TAIL=50] [SINCE=10m] [FOLLOW=1] [RAW=1]

Works on AWS as well (``SETPIECES_STAGE=dev``).
"""

import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tools.client import Shop
from tools.deployed_functions import names, physical_name, prefix
from tools.failures import CommandFailed, requires_shop

# The last events of a log are searched in these windows, one after the other until there are enough.
WINDOWS = (timedelta(minutes=10), timedelta(hours=6), timedelta(days=14), timedelta(days=3650))
# AWS returns at most this many events and a token; the emulator returns the oldest of them without a token.
PAGE = 10_000
# While a log is followed, events that arrive this late are still printed.
LATE = timedelta(seconds=10)
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
STYLES = {"DEBUG": "dim", "INFO": "green", "WARNING": "yellow", "ERROR": "red", "CRITICAL": "bold red"}
REPORT = re.compile(r"Duration: (?P<duration>[\d.]+ ms).*Max Memory Used: (?P<memory>\d+ MB)", re.DOTALL)
PLATFORM = re.compile(r"(START|END|INIT_START|EXTENSION|XRAY) ")
# Texts of failed invocations: of the runtime, and of Lambda for a timeout and for a process that ended.
FAILURES = ("ERROR", "Task timed out", "Runtime exited")
# The prefix of a failure, which the time and the level replace.
FAILURE = re.compile(r"\[ERROR\]\s|\S+ \S+ (?=Task timed out)|RequestId: \S+ Error: (?=Runtime exited)")
# Python's output for an exception that a function did not catch.
PROBLEM = re.compile(r"\[ERROR\]|Traceback|\w+(Error|Exception)\b")
# Fields that every event has, or that are about Lambda.
COMMON_FIELDS = {
    "cold_start",
    "correlation_id",
    "exception",
    "exception_name",
    "function_arn",
    "function_memory_size",
    "function_name",
    "function_request_id",
    "level",
    "location",
    "message",
    "service",
    "stack_trace",
    "timestamp",
    "xray_trace_id",
}

console = Console(highlight=False)


class Since(click.ParamType):
    """A duration such as 90s, 10m, 2h or 1d; the value is a ``timedelta``."""

    name = "duration"

    def convert(self, value: str | timedelta, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        if isinstance(value, timedelta):
            return value
        duration = re.fullmatch(r"(\d{1,5})([smhd])", value)
        if not duration:
            return self.fail(f"{value!r} is not a duration: a number and s, m, h or d, for example 10m.", param, ctx)
        return timedelta(**{UNITS[duration[2]]: int(duration[1])})


@click.command(epilog="make logs FN=basket-add-item TAIL=100 SINCE=10m FOLLOW=1")
@click.option("--function", "-f", envvar="FN", help="Name, with or without its prefix; omit it to list the functions.")
@click.option("--follow", is_flag=True, envvar="FOLLOW", help="Keep printing new events until Ctrl-C.")
@click.option("--tail", type=click.IntRange(min=0), envvar="TAIL", default=50, show_default=True, help="Last events.")
@click.option("--since", type=Since(), envvar="SINCE", help="All events of the last 90s, 10m, 2h or 1d instead.")
@click.option("--raw", is_flag=True, envvar="RAW", help="Print events as logged, with indented JSON.")
@requires_shop
def logs(function: str | None, follow: bool, tail: int, since: timedelta | None, raw: bool) -> None:
    """Print the log of a function, or list the functions with the time of their last run."""
    shop = Shop.from_environment()
    if not function:
        console.print(overview(shop))
        console.print("Log of one function: make logs FN=basket-add-item", style="dim")
        return
    log = Log(shop.aws("logs"), f"/aws/lambda/{physical_name(shop, function)}")
    events = (
        log.since(datetime.now(UTC) - since) if since else log.last(tail, (lambda message: True) if raw else is_printed)
    )
    if not events and not follow:
        raise CommandFailed(
            f"The log of {function} has no event{' of that time' if since else ': the function has not run yet'}."
        )
    _print(events, raw)
    if follow:
        console.print("Waiting for new events; Ctrl-C to stop.", style="dim")
    while follow:
        time.sleep(1)
        _print(log.new(), raw)


def overview(shop: Shop) -> Table:
    """All functions with the time of the last event and the number of errors of a day."""
    functions = names(shop)
    with ThreadPoolExecutor(8) as calls:
        rows = list(calls.map(lambda name: _last_run(shop, name), functions))
    table = Table("function", "last run (UTC)", "errors of a day")
    for name, (last, errors) in zip(functions, rows, strict=True):
        table.add_row(name, last, f"[red]{errors}[/]" if errors else "")
    return table


def _last_run(shop: Shop, name: str) -> tuple[str, int]:
    """(time of the last event or "-", number of errors of a day, those that Lambda logs included)."""
    api, group = shop.aws("logs"), f"/aws/lambda/{prefix(shop)}{name}"
    try:
        streams = api.describe_log_streams(logGroupName=group, orderBy="LastEventTime", descending=True, limit=1)
    except api.exceptions.ResourceNotFoundException:
        return "-", 0
    last = max((stream.get("lastEventTimestamp", 0) for stream in streams["logStreams"]), default=0)
    if not last:
        return "-", 0
    start = int((datetime.now(UTC) - timedelta(days=1)).timestamp() * 1000)
    errors = sum(len(read_events(api, group, start, text)) for text in FAILURES)
    return f"{datetime.fromtimestamp(last / 1000, UTC):%Y-%m-%d %H:%M:%S}", errors


class Log:
    """A log group, read in order of time without losing events of the same millisecond."""

    def __init__(self, api: Any, group: str) -> None:
        self._api, self._group = api, group
        self._counts: Counter[tuple[Any, ...]] = Counter()
        self._newest = 0

    def last(self, count: int, matches: Callable[[str], bool] = lambda message: True) -> list[dict[str, Any]]:
        """The last ``count`` events whose message ``matches``."""
        events: list[dict[str, Any]] = []
        matching: list[dict[str, Any]] = []
        for window in WINDOWS:
            events = self._read(int((datetime.now(UTC) - window).timestamp() * 1000))
            matching = [event for event in events if matches(event["message"])]
            if len(matching) >= count:
                break
        self._remember(events)
        return matching[-count:] if count else []

    def since(self, start: datetime) -> list[dict[str, Any]]:
        events = self._read(int(start.timestamp() * 1000))
        self._remember(events)
        return events

    def new(self) -> list[dict[str, Any]]:
        """The events that have arrived since the last call of ``last``, ``since`` or ``new``, late ones included."""
        start = max(0, self._newest - int(LATE.total_seconds() * 1000))
        events = self._read(start)
        new = _without(events, self._counts)
        self._remember(events)
        return new

    def _remember(self, events: list[dict[str, Any]]) -> None:
        self._newest = max((event["timestamp"] for event in events), default=self._newest or _now())
        self._counts = Counter(map(_key, events))

    def _read(self, start: int) -> list[dict[str, Any]]:
        """All events since ``start`` (epoch milliseconds). Raises ``CommandFailed`` if the log does not exist."""
        try:
            return read_events(self._api, self._group, start)
        except self._api.exceptions.ResourceNotFoundException as error:
            raise CommandFailed(f"Log {self._group} does not exist: the function has not run yet.") from error


def read_events(api: Any, group: str, start: int, text: str = "") -> list[dict[str, Any]]:
    """All events of a log group since ``start`` (epoch milliseconds) that contain ``text``, in order of time.

    Raises ``ResourceNotFoundException`` of ``api`` (CloudWatch Logs) if the group does not exist.
    """
    pattern = {"filterPattern": f'"{text}"'} if text else {}
    events: list[dict[str, Any]] = []
    while True:
        pages = api.get_paginator("filter_log_events").paginate(logGroupName=group, startTime=start, **pattern)
        page = sorted((event for page in pages for event in page["events"]), key=_timestamp)
        events += _without(page, Counter(map(_key, events)))
        if len(page) < PAGE or page[-1]["timestamp"] == start:
            return [event for event in events if text in event["message"]]  # the emulator ignores case
        start = page[-1]["timestamp"]


def _without(events: list[dict[str, Any]], counts: Counter[tuple[Any, ...]]) -> list[dict[str, Any]]:
    """The events that are not in ``counts``, which counts equal events."""
    remaining, new = Counter(counts), []
    for event in events:
        if remaining[_key(event)]:
            remaining[_key(event)] -= 1
        else:
            new.append(event)
    return new


def _timestamp(event: dict[str, Any]) -> int:
    return int(event["timestamp"])


def _key(event: dict[str, Any]) -> tuple[Any, ...]:
    return event["timestamp"], event.get("logStreamName"), event["message"]


def _now() -> int:
    return int(datetime.now(UTC).timestamp() * 1000)


def _print(events: list[dict[str, Any]], raw: bool) -> None:
    for event in events:
        for line in _raw(event["message"]) if raw else lines(event["message"], event["timestamp"]):
            console.print(line, soft_wrap=True)


def _raw(message: str) -> Iterator[Text]:
    record = _record(message)
    yield Text(json.dumps(record, indent=2, ensure_ascii=False) if record else message.rstrip())


def is_printed(message: str) -> bool:
    """True if it is an event of the function, and not a start or end that Lambda writes."""
    return not PLATFORM.match(message)


def lines(message: str, timestamp: int | None = None) -> Iterator[Text]:
    """An event as lines: time, level, message and fields, then its traceback; of Lambda's own lines only the report."""
    record = _record(message)
    at = _time(record, timestamp)
    if record and "_aws" in record:
        yield _line(at, "", f"metrics {_metrics(record)}", "dim")
    elif record and "message" in record:
        yield from _structured(record, at)
    elif report := message.startswith("REPORT ") and REPORT.search(message):
        yield _line(at, "", f"ended after {report['duration']}, used {report['memory']}", "dim")
    elif failure := FAILURE.match(message):
        text = message[failure.end() :].rstrip().removesuffix("\nTraceback (most recent call last):")
        yield _line(at, "ERROR", text, "red")
    elif is_printed(message):
        yield _line(at, "", message.rstrip(), "red" if PROBLEM.search(message) else "")


def _structured(record: dict[str, Any], at: str) -> Iterator[Text]:
    level = str(record.get("level", ""))
    fields = {name: value for name, value in record.items() if name not in COMMON_FIELDS and value is not None}
    fields |= {name: record[name] for name in ("correlation_id", "exception_name") if record.get(name)}
    line = _line(at, level, str(record["message"]), STYLES.get(level, "") if level not in ("INFO", "DEBUG") else "")
    line.append("".join(f"  {name}={_as_text(value)}" for name, value in fields.items()), style="cyan")
    yield line
    for trace in str(record.get("exception") or "").splitlines():
        yield Text(f"{'':14}{'':9}{trace}", style="red")


def _line(at: str, level: str, text: str, style: str) -> Text:
    indented = text.replace("\n", f"\n{'':23}")
    return Text.assemble((f"{at:14}", "dim"), (f"{level:9}", STYLES.get(level, "")), (indented, style))


def _record(message: str) -> dict[str, Any] | None:
    try:
        record = json.loads(message)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def _time(record: dict[str, Any] | None, timestamp: int | None) -> str:
    """The time (UTC) of the record, or else that of its delivery by Lambda."""
    try:
        moment = datetime.fromisoformat((record or {})["timestamp"]).astimezone(UTC)
    except (KeyError, TypeError, ValueError):
        if timestamp is None:
            return ""
        moment = datetime.fromtimestamp(timestamp / 1000, UTC)
    return f"{moment:%H:%M:%S}.{moment.microsecond // 1000:03}"


def _metrics(record: dict[str, Any]) -> str:
    metrics = (
        metric["Name"] for group in record["_aws"].get("CloudWatchMetrics", []) for metric in group.get("Metrics", [])
    )
    return " ".join(f"{name}={_as_text(record.get(name))}" for name in metrics)


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)

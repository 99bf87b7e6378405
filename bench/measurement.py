"""Measures what one operation of each set piece uses of AWS, in the running shop: ``make cost MEASURE=1``.

Operations run one after the other, each until the shop is idle; a first round warms up. Counted by set piece:

    api          requests to its API                      from the access logs
    invocations  of its functions, and their median ms    from the REPORT lines (the milliseconds are of this machine)
    calls        of its roles, by action                  from the emulator (local.emulator.meter)
    units        DynamoDB reads and writes, by table or table/index, as DynamoDB would charge them
    events       it published on the bus                  from the bus's log
    messages     from the bus and from topics to its queues, from the events and the templates
    transitions  of its workflows, and their calls        from the histories of executions
    log_bytes    of its logs

Scheduled functions are counted separately: their cost does not depend on sales.
"""

import json
import statistics
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from bench.operations import OPERATIONS, Operation, World
from local import emulator_client
from local.emulator_client import resources
from local.settings import STACK
from model import routing
from model.settings import ROOT, STAGE
from model.templates import iter_resources, name_of, pieces
from tools.client import Shop

# An operation has ended after this time without calls.
IDLE_SECONDS = 1.5
# Most schedules run every minute.
SCHEDULES_SECONDS = 62
# The front door sends its access log every three seconds.
ACCESS_LOG_SECONDS = 4
_NOT_COUNTED = ("lambda:InvokeFunction", "sts:AssumeRole", "logs:", "xray:", "cloudwatch:")


@dataclass
class Usage:
    """The usage of one set piece."""

    api: int = 0
    events: int = 0
    messages: int = 0
    transitions: int = 0
    log_bytes: int = 0
    invocations: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    units: Counter[str] = field(default_factory=Counter)
    milliseconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def document(self) -> dict[str, Any]:
        """The JSON document, without zeros."""
        plain = {name: getattr(self, name) for name in ("api", "events", "messages", "transitions", "log_bytes")}
        counted = {name: dict(sorted(getattr(self, name).items())) for name in ("invocations", "calls", "units")}
        here = {name: round(statistics.median(times)) for name, times in sorted(self.milliseconds.items())}
        return {name: value for name, value in (plain | counted | {"ms_here": here}).items() if value}


def scheduled() -> set[tuple[str, str]]:
    """(service, logical id) of the functions that a schedule invokes."""
    targets = {
        (piece.service, name_of(properties["Target"]["Arn"]))
        for piece, _, properties in iter_resources("AWS::Scheduler::Schedule")
    }
    for piece, _, properties in iter_resources("AWS::Events::Rule"):
        if "ScheduleExpression" in properties:
            targets |= {(piece.service, name_of(target["Arn"])) for target in properties["Targets"]}
    return targets


class Deployed:
    """The set pieces of deployed resources."""

    def __init__(self) -> None:
        deployed = resources()
        nested = pieces()["shop"].source["Resources"]
        templates = {piece.source["Metadata"]["SetPiece"]["Service"]: piece for piece in pieces().values()}
        locations = {
            name: resource["Properties"]["Location"].removesuffix(".yaml")
            for name, resource in nested.items()
            if resource["Type"] == "AWS::Serverless::Application"
        }
        assert set(locations.values()) <= set(templates), "templates are named after their services"
        self.services = {
            one["physical_id"].split("/")[1]: locations[one["logical_id"]]
            for one in deployed
            if one["type"] == "AWS::CloudFormation::Stack"
        } | {STACK: "shop"}
        # The integration tests deploy their role beside the shop.
        self._resources = [one for one in deployed if one["stack"] in self.services]
        self.functions = {one["physical_id"]: self._owned(one) for one in self._of("AWS::Lambda::Function")}
        self.tables = {one["physical_id"]: "/".join(self._owned(one)) for one in self._of("AWS::DynamoDB::Table")}
        self.roles = {one["physical_id"]: self._owned(one) for one in self._of("AWS::IAM::Role")}
        self.logs = {one["physical_id"]: self._owned(one) for one in self._of("AWS::Logs::LogGroup")}
        self.machines = {one["physical_id"]: self._owned(one) for one in self._of("AWS::StepFunctions::StateMachine")}
        self.queues = [one["physical_id"] for one in self._of("AWS::SQS::Queue")]

    def _of(self, kind: str) -> Iterator[dict[str, Any]]:
        return (one for one in self._resources if one["type"] == kind)

    def _owned(self, one: dict[str, Any]) -> tuple[str, str]:
        return self.services[one["stack"]], one["logical_id"]

    def table(self, name: str) -> str:
        """A table, or table/index, by service and logical id."""
        physical, _, index = name.partition("/")
        return "/".join(filter(None, (self.tables.get(physical, physical), index)))


@dataclass
class Window:
    """The time of one operation, and the calls of roles in it."""

    operation: Operation
    begin: float
    end: float
    calls: Counter[tuple[str, str]]
    units: Counter[tuple[str, str]]


class Measurement:
    """Runs operations and measures their usage."""

    def __init__(self, shop: Shop) -> None:
        self.shop, self.deployed, self._scheduled = shop, Deployed(), scheduled()
        self.world = World.of(shop)

    def run(self, operations: Iterable[Operation] = OPERATIONS) -> dict[str, dict[str, Usage]]:
        """Usage by operation and set piece, without scheduled functions."""
        read_calls()
        self._wait_until_idle()
        begin, windows = time.time(), [self._window(operation) for operation in operations]
        time.sleep(ACCESS_LOG_SECONDS)
        lines = self._lines(begin)
        return {window.operation.name: self._used(window, lines) for window in windows}

    def _window(self, operation: Operation) -> Window:
        operation.prepare(self.world)
        time.sleep(0.02)  # timestamps of logs are in milliseconds
        before, begin = read_calls(), time.time()
        operation.run(self.world)
        if operation.tail:
            self._wait_until_idle()
        after, end = read_calls(), time.time()
        time.sleep(0.02)
        return Window(operation, begin, end, after[0] - before[0], after[1] - before[1])

    def _wait_until_idle(self) -> None:
        """Wait until roles make no calls, no queue has messages and no workflow runs."""
        last, since, deadline = Counter[tuple[str, str]](), time.monotonic(), time.monotonic() + 120
        while time.monotonic() - since < IDLE_SECONDS:
            now = Counter({key: n for key, n in read_calls()[0].items() if not self._by_schedule(key[0])})
            if now != last or self._busy():
                last, since = now, time.monotonic()
            assert time.monotonic() < deadline, "the shop does not become idle"
            time.sleep(0.2)

    def _busy(self) -> bool:
        sqs, machines = self.shop.aws("sqs"), self.shop.aws("stepfunctions")
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        for url in self._consumed:
            counted = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
            if any(int(counted[name]) for name in names):
                return True
        return any(
            machines.list_executions(stateMachineArn=arn, statusFilter="RUNNING")["executions"]
            for arn in self.deployed.machines
        )

    @property
    def _consumed(self) -> list[str]:
        """Queues that a function reads, so without dead-letter queues."""
        sources = {
            one["properties"].get("EventSourceArn", "") for one in self.deployed._of("AWS::Lambda::EventSourceMapping")
        }
        names = {arn.rpartition(":")[2] for arn in sources if ":sqs:" in arn}
        return [url for url in self.deployed.queues if url.rpartition("/")[2] in names]

    def _owner(self, role: str) -> tuple[str, str]:
        """(service, function) of a role."""
        service, name = self.deployed.roles.get(role, ("", ""))
        return service, name.removesuffix("Role")

    def _by_schedule(self, role: str) -> bool:
        return self._owner(role) in self._scheduled

    def _is_scheduled(self, owner: tuple[str, str], operation: Operation) -> bool:
        """True if a schedule runs this function, which is not part of the operation. The relay runs only by a schedule."""
        return owner in self._scheduled and not owner[0] == operation.service == "event-relay"

    def _lines(self, begin: float) -> dict[str, list[tuple[float, str]]]:
        """(time, message) by log group, since ``begin``."""
        logs, lines_by_group = self.shop.aws("logs"), {}
        for group in self.deployed.logs:
            pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group, startTime=int(begin * 1000))
            lines_by_group[group] = [
                (event["timestamp"] / 1000, event["message"]) for page in pages for event in page["events"]
            ]
        return lines_by_group

    def _used(self, window: Window, lines: dict[str, list[tuple[float, str]]]) -> dict[str, Usage]:
        used: dict[str, Usage] = defaultdict(Usage)
        for (role, action), count in window.calls.items():
            service = self.deployed.roles.get(role, ("", ""))[0]
            if (
                service
                and not self._is_scheduled(self._owner(role), window.operation)
                and not action.startswith(_NOT_COUNTED)
            ):
                used[service].calls[action] += count
        for (role, name), units in window.units.items():
            if not self._is_scheduled(self._owner(role), window.operation):
                kind, _, table = name.partition(" ")
                service = self.deployed.roles.get(role, ("shop", ""))[0]
                used[service].units[f"{kind} {self.deployed.table(table)}"] += units
        for group, (service, name) in self.deployed.logs.items():
            owner = (service, name.removesuffix("Log") + "Function")
            if self._is_scheduled(owner, window.operation):
                continue
            messages = [text for at, text in lines[group] if window.begin <= at <= window.end]
            used[service].log_bytes += sum(len(text.encode()) + 26 for text in messages)
            if name == "AccessLog":
                used[service].api += len(messages)
            elif group.startswith("/aws/events/"):
                self._count_events(used, messages)
            for text in messages:
                if text.startswith("REPORT"):
                    used[service].invocations[owner[1]] += 1
                    used[service].milliseconds[owner[1]].append(float(text.split("Duration: ")[1].split(" ")[0]))
        self._count_transitions(used, window)
        return {service: usage for service, usage in sorted(used.items()) if usage.document() and service != "shop"}

    def _count_events(self, used: dict[str, Usage], messages: list[str]) -> None:
        producers = {source: service for told_by in routing.producers().values() for service, source in told_by}
        for text in messages:
            event = json.loads(text)
            meta_data = event["detail"]["event"]["meta_data"]
            source = event["source"].removeprefix("service-").removesuffix(f"-{STAGE}")
            used[producers[source]].events += 1
            for route in routing.consumers("/".join(meta_data[name] for name in ("type", "subtype", "status"))):
                used[route.service].messages += route.channel == "bus"

    def _count_transitions(self, used: dict[str, Usage], window: Window) -> None:
        machines = self.shop.aws("stepfunctions")
        for arn, (service, _) in self.deployed.machines.items():
            for execution in machines.list_executions(stateMachineArn=arn)["executions"]:
                if not window.begin <= execution["startDate"].timestamp() <= window.end:
                    continue
                pages = machines.get_paginator("get_execution_history").paginate(executionArn=execution["executionArn"])
                for event in (event for page in pages for event in page["events"]):
                    used[service].transitions += event["type"].endswith("StateEntered")
                    task = event.get("taskScheduledEventDetails", {})
                    if task.get("resourceType") not in (None, "lambda"):
                        used[service].calls[f"{task['resourceType']}:{task['resource']}"] += 1
                        if task["resourceType"] == "sns":
                            used[service].messages += 1

    def schedules(self) -> dict[str, Usage]:
        """Usage of each scheduled function in a minute without operations: {"service/Function": usage}."""
        self._wait_until_idle()
        window = self._window(Operation("wait", "", lambda _: time.sleep(SCHEDULES_SECONDS)))
        lines = self._lines(window.begin)
        used: dict[str, Usage] = defaultdict(Usage)
        for counted, into in ((window.calls, "calls"), (window.units, "units")):
            for (role, name), count in counted.items():
                if self._by_schedule(role):
                    service, function = self.deployed.roles[role]
                    kind, _, table = name.partition(" ")
                    name = f"{kind} {self.deployed.table(table)}" if into == "units" else name
                    getattr(used[f"{service}/{function.removesuffix('Role')}"], into)[name] += count
        for group, (service, name) in self.deployed.logs.items():
            function = name.removesuffix("Log") + "Function"
            messages = [text for at, text in lines[group] if window.begin <= at <= window.end]
            runs = sum(text.startswith("REPORT") for text in messages)
            if (service, function) in self._scheduled and runs:
                usage = used[f"{service}/{function}"]
                usage.log_bytes += sum(len(text.encode()) + 26 for text in messages)
                usage.invocations[function] += runs
        return used


def read_calls() -> tuple[Counter[tuple[str, str]], Counter[tuple[str, str]]]:
    """(calls by (role, action), units by (role, "write <table>")) since the emulator was first queried."""
    answer = emulator_client.request("GET", "/_setpieces/calls?by=role").raise_for_status().json()
    calls, units = (
        Counter({(role, name): count for role, counted in answer[kind].items() for name, count in counted.items()})
        for kind in ("calls", "units")
    )
    return calls, units


def measure(shop: Shop) -> dict[str, Any]:
    """The document of operations.json: a round that warms up, one that is counted, and a minute of schedules."""
    measurement = Measurement(shop)
    measurement.run()
    used, scheduled_ones = measurement.run(), measurement.schedules()
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
    return {
        "measured": datetime.now(UTC).date().isoformat(),
        "commit": commit.stdout.strip(),
        "operations": {
            operation.name: {
                "service": operation.service,
                "of": operation.of,
                "pieces": {service: usage.document() for service, usage in used[operation.name].items()},
            }
            for operation in OPERATIONS
        },
        "schedules": {name: usage.document() for name, usage in sorted(scheduled_ones.items())},
    }


def main() -> None:
    """``python -m bench.measurement NAME …``: print the usage of these operations, run once, as JSON."""
    selected = [operation for operation in OPERATIONS if operation.name in sys.argv[1:]]
    used = Measurement(Shop.from_environment()).run(selected)
    documents = {name: {piece: usage.document() for piece, usage in of.items()} for name, of in used.items()}
    print(json.dumps(documents))


if __name__ == "__main__":
    main()

"""What one operation of each set piece calls on AWS, measured in the running shop: ``make cost MEASURE=1``.

Operations run one after another, each until nothing moves any more; a first round warms up. What is counted, by set piece:

    api          requests to its API                      from the access logs
    invocations  of its functions, and their median ms    from the REPORT lines (the milliseconds are of this machine)
    calls        of its roles, by action                  from the emulator (local.meter)
    units        DynamoDB reads and writes, by table or table/index, as DynamoDB would charge them
    events       it published on the bus                  from the bus's log
    messages     that its queues were sent by the bus and by topics, from the events and the templates
    transitions  of its workflows, and what they called   from the histories of executions
    log_bytes    of its logs

Scheduled work is counted separately: its cost does not depend on sales.
"""

import json
import statistics
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from local import accounts, emulator_client, feed_samples, feeds, routing
from local.declared import iter_resources, name_of, pieces
from local.publish import resources
from local.settings import FRONT_DOOR, ROOT, STACK, STAGE
from local.shop import Shop, eventually, new_basket_id, unique

FILE = Path(__file__).with_suffix(".json")
VOUCHERS, RECORDS, EVENTS = 5_000, 100, 100
# Nothing has moved for so long: an operation is over.
QUIET_SECONDS = 1.5
# Most schedules run every minute.
SCHEDULES_SECONDS = 62
# The front door sends its access log every three seconds.
LOGS_ARE_LATE_SECONDS = 4
_PREFIX = f"setpieces-{STAGE}-"
_ADDRESS = {"name": "Ada Sample", "city": "Berlin", "postal_code": "10115", "country": "DE"}
_NOT_COUNTED = ("lambda:InvokeFunction", "sts:AssumeRole", "logs:", "xray:", "cloudwatch:")


def _counts() -> dict[str, Any]:
    return defaultdict(Counter)


@dataclass
class Usage:
    """What one set piece used."""

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
        """As it is checked in, without what is zero."""
        plain = {name: getattr(self, name) for name in ("api", "events", "messages", "transitions", "log_bytes")}
        counted = {name: dict(sorted(getattr(self, name).items())) for name in ("invocations", "calls", "units")}
        here = {name: round(statistics.median(times)) for name, times in sorted(self.milliseconds.items())}
        return {name: value for name, value in (plain | counted | {"ms_here": here}).items() if value}


@dataclass
class World:
    """What operations work with."""

    shop: Shop
    admin: dict[str, str]
    customer: dict[str, str]
    sku: str
    basket: str
    order: str = ""
    voucher: str = ""

    @classmethod
    def of(cls, shop: Shop) -> "World":
        items = shop.call("GET", "/catalog/v1/products?query=sp-").json()["items"]
        sku = next(item["sku"] for item in items if item["available"])
        basket = new_basket_id("cost")
        world = cls(shop, feeds.admin(shop), {}, sku, basket)
        world.call("POST", f"/basket/v1/baskets/{basket}/items", 201, json={"sku": sku, "quantity": 1})
        world.customer = world.session(shop.samples["customer"])
        return world

    def call(self, method: str, path: str, expected: int, **options: Any) -> httpx.Response:
        answer = self.shop.call(method, path, **options)
        assert answer.status_code == expected, f"{method} {path}: {answer.status_code} {answer.text[:300]}"
        return answer

    def session(self, person: dict[str, str]) -> dict[str, str]:
        credentials = {name: person[name] for name in ("email", "password")}
        token = self.call("POST", "/login/v1/sessions", 201, json=credentials).json()["session_token"]
        return {"Authorization": f"Bearer {token}"}

    def item(self, service: str, name: str, **key: str) -> dict[str, Any]:
        """An item as the account's root sees it, whose reads are not counted."""
        table = self.shop.address(service, name)
        item_key = {attribute: {"S": value} for attribute, value in key.items()}
        return self.shop.aws("dynamodb").get_item(TableName=table, Key=item_key).get("Item", {})


@dataclass(frozen=True)
class Operation:
    """``run`` does it; ``of`` is how many of what ``name`` says that makes. One with a ``tail`` goes on once answered."""

    name: str
    service: str
    run: Callable[[World], Any]
    of: int = 1
    tail: bool = False


def _sign_up(world: World) -> None:
    email = f"{unique('cost')}@example.com"
    customer_id = accounts.sign_up(world.shop, email, unique("cost-password"), "Ada Sample")
    legacy = {"source_version": 1, "phone": "+49 30 1234", "addresses": [{"city": "Berlin", "country": "DE"}]}
    world.call("PUT", f"/partners/v1/commerce/legacy/customers/{customer_id}", 201, json=legacy)


def _place_order(world: World) -> None:
    body = {
        "basket_id": world.basket,
        "customer_id": world.shop.samples["customer"]["customer_id"],
        "payment_token": "tok_ok",
        "ship_to": _ADDRESS,
    }
    headers = world.customer | {"Idempotency-Key": unique("cost")}
    world.order = world.call("POST", "/orders/v1/orders", 202, json=body, headers=headers).json()["order_number"]

    def complete() -> bool:
        item = world.item("orders", "table-name", order_number=world.order)
        return item.get("backend_status", {}).get("S") == "Sent to fulfillment"

    eventually(complete, timeout=60, every=0.3)


def _relay(world: World) -> None:
    name = world.shop.samples["customer"]["customer_id"]
    update = {"kind": "customer", "id": name, "update": "login", "occurred_at": datetime.now(UTC).isoformat()}
    queue = world.shop.address("event-relay", "queue-url")
    world.shop.aws("sqs").send_message(QueueUrl=queue, MessageBody=json.dumps(update), MessageGroupId=name)
    functions = world.shop.aws("lambda")

    def relayed() -> bool:
        try:
            functions.invoke(FunctionName=f"{_PREFIX}event-relay-relay-events")
        except functions.exceptions.TooManyRequestsException:
            return False
        return True

    eventually(relayed, timeout=60, every=1)


def _feed(world: World) -> None:
    records = feed_samples.records("product", RECORDS, version=int(time.time()))
    feeds.put(world.shop, world.admin, "product", feed_samples.as_json(records))


def _event(number: int = 0) -> dict[str, Any]:
    return {
        "event_id": unique(f"cost-{number}"),
        "type": "cost",
        "occurred_at": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "data": {"path": "/products/SP-10001", "referrer": "/"},
    }


def _events(world: World) -> None:
    key = {"x-api-key": world.shop.samples["ingest_api_key"]}
    body = {"events": [_event(number) for number in range(EVENTS)]}
    world.call("POST", "/ingestion/v1/events/batch", 202, json=body, headers=key)


def _vouchers(world: World) -> None:
    today = datetime.now(UTC).date()
    details = {"count": VOUCHERS, "campaign": "Cost", "value": 1000, "currency": "EUR", "notify": "cost@example.com"}
    details |= {"valid_from": str(today), "valid_to": str(today.replace(year=today.year + 1))}
    path = "/vouchers/v1/voucher-batches"
    batch = world.call("POST", path, 202, json=details, headers=world.admin).json()["batch_id"]

    def complete() -> bool:
        item = world.item("vouchers", "batches-table-name", batch_id=batch)
        return item.get("status", {}).get("S") == "COMPLETE"

    eventually(complete, timeout=120, every=0.3)
    bucket = world.shop.address("vouchers", "bucket-name")
    files = world.shop.aws("s3").list_objects_v2(Bucket=bucket, Prefix=f"release/{batch}")["Contents"]
    body = world.shop.aws("s3").get_object(Bucket=bucket, Key=files[0]["Key"])["Body"]
    world.voucher = next(body.iter_lines()).decode()


def _redeem(world: World) -> None:
    path = f"/vouchers/v1/vouchers/{world.voucher}/redemptions"
    world.call("POST", path, 201, json={"order_number": "T000000001"})


def _sitemaps(world: World) -> None:
    world.call("POST", "/sitemaps/v1/sitemaps/runs", 202, json={"force": True}, headers=world.admin)


def _tax(world: World) -> None:
    line = {"sku": world.sku, "quantity": 1, "unit_price": 1999}
    ship_to = {"country": "DE", "postal_code": "50667"}
    request = {"order_number": "T100000001", "currency": "EUR", "lines": [line], "ship_to": ship_to}
    world.call("POST", "/tax/v1/quotations", 200, json=request, sign=True)


def _profile(world: World) -> None:
    customer = world.shop.samples["customer"]["customer_id"]
    world.call("GET", f"/customers/v1/customers/{customer}/profile", 200, headers=world.customer)


def _page(world: World) -> None:
    assert httpx.get(f"{FRONT_DOOR}/products/{world.sku}", timeout=30).status_code == 200


OPERATIONS = (
    Operation("list products", "catalog", lambda world: world.call("GET", "/catalog/v1/products?query=sp-", 200)),
    Operation(
        "look at a product", "catalog", lambda world: world.call("GET", f"/catalog/v1/products/{world.sku}", 200)
    ),
    Operation("look at a page", "storefront", _page),
    Operation("follow an old address", "redirects", lambda world: world.call("GET", "/p/10001-coral-beacon", 308)),
    Operation(
        "add to a basket",
        "basket",
        lambda world: world.call(
            "POST", f"/basket/v1/baskets/{new_basket_id('cost')}/items", 201, json={"sku": world.sku, "quantity": 1}
        ),
    ),
    Operation("look at a basket", "basket", lambda world: world.call("GET", f"/basket/v1/baskets/{world.basket}", 200)),
    Operation(
        "take a number",
        "sequences",
        lambda world: world.call("POST", "/sequences/v1/sequences/order/next", 200, sign=True),
    ),
    Operation(
        "lease a thousand numbers",
        "sequences",
        lambda world: world.call("POST", "/sequences/v1/sequences/order/lease", 200, json={"count": 1000}, sign=True),
    ),
    Operation("quote tax", "tax", _tax),
    Operation("sign in", "login", lambda world: world.session(world.shop.samples["customer"]), tail=True),
    Operation("look at a profile", "customers", _profile),
    Operation("sign up", "customers", _sign_up, tail=True),
    Operation("place an order", "orders", _place_order, tail=True),
    Operation(
        "poll an order",
        "orders",
        lambda world: world.call("GET", f"/orders/v1/orders/{world.order}/status", 200, headers=world.customer),
    ),
    Operation("relay an update", "event-relay", _relay, tail=True),
    Operation("bring feed records", "feed-pipeline", _feed, of=RECORDS, tail=True),
    Operation("ingest events", "ingestion", _events, of=EVENTS, tail=True),
    Operation("make vouchers", "vouchers", _vouchers, of=VOUCHERS, tail=True),
    Operation(
        "look up a voucher", "vouchers", lambda world: world.call("GET", f"/vouchers/v1/vouchers/{world.voucher}", 200)
    ),
    Operation("redeem a voucher", "vouchers", _redeem),
    Operation("make the sitemaps", "sitemaps", _sitemaps, tail=True),
    Operation(
        "look at the live map",
        "operations",
        lambda world: world.call("GET", "/operations/v1/architecture", 200, headers=world.admin),
    ),
)


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
    """Which set piece what is deployed belongs to."""

    def __init__(self) -> None:
        found = resources()
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
            for one in found
            if one["type"] == "AWS::CloudFormation::Stack"
        } | {STACK: "shop"}
        # The integration tests deploy their role beside the shop.
        self._found = [one for one in found if one["stack"] in self.services]
        self.functions = {one["physical_id"]: self._owned(one) for one in self._of("AWS::Lambda::Function")}
        self.tables = {one["physical_id"]: "/".join(self._owned(one)) for one in self._of("AWS::DynamoDB::Table")}
        self.roles = {one["physical_id"]: self._owned(one) for one in self._of("AWS::IAM::Role")}
        self.logs = {one["physical_id"]: self._owned(one) for one in self._of("AWS::Logs::LogGroup")}
        self.machines = {one["physical_id"]: self._owned(one) for one in self._of("AWS::StepFunctions::StateMachine")}
        self.queues = [one["physical_id"] for one in self._of("AWS::SQS::Queue")]

    def _of(self, kind: str) -> Iterator[dict[str, Any]]:
        return (one for one in self._found if one["type"] == kind)

    def _owned(self, one: dict[str, Any]) -> tuple[str, str]:
        return self.services[one["stack"]], one["logical_id"]

    def table(self, name: str) -> str:
        """A table, or table/index, by service and logical id."""
        physical, _, index = name.partition("/")
        return "/".join(filter(None, (self.tables.get(physical, physical), index)))


@dataclass
class Window:
    """One operation's time, and what roles called in it."""

    operation: Operation
    begin: float
    end: float
    calls: Counter[tuple[str, str]]
    units: Counter[tuple[str, str]]


class Measurement:
    """Runs operations and tells what each used."""

    def __init__(self, shop: Shop) -> None:
        self.shop, self.deployed, self._scheduled = shop, Deployed(), scheduled()
        self.world = World.of(shop)

    def run(self, operations: Iterable[Operation] = OPERATIONS) -> dict[str, dict[str, Usage]]:
        """Usage by operation and set piece, without what schedules ran meanwhile."""
        read_calls()
        self._settle()
        begin, windows = time.time(), [self._window(operation) for operation in operations]
        time.sleep(LOGS_ARE_LATE_SECONDS)
        lines = self._lines(begin)
        return {window.operation.name: self._used(window, lines) for window in windows}

    def _window(self, operation: Operation) -> Window:
        before, begin = read_calls(), time.time()
        operation.run(self.world)
        if operation.tail:
            self._settle()
        after, end = read_calls(), time.time()
        time.sleep(0.02)  # timestamps of logs are in milliseconds
        return Window(operation, begin, end, after[0] - before[0], after[1] - before[1])

    def _settle(self) -> None:
        """Wait until no role has called for a while, no queue holds a message, and no workflow runs."""
        seen, since, deadline = Counter[tuple[str, str]](), time.monotonic(), time.monotonic() + 120
        while time.monotonic() - since < QUIET_SECONDS:
            now = Counter({key: n for key, n in read_calls()[0].items() if not self._by_schedule(key[0])})
            if now != seen or self._busy():
                seen, since = now, time.monotonic()
            assert time.monotonic() < deadline, "the shop does not come to rest"
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
        """Queues that a function reads; dead letters stay where they are."""
        sources = {
            one["properties"].get("EventSourceArn", "") for one in self.deployed._of("AWS::Lambda::EventSourceMapping")
        }
        names = {arn.rpartition(":")[2] for arn in sources if ":sqs:" in arn}
        return [url for url in self.deployed.queues if url.rpartition("/")[2] in names]

    def _owner(self, role: str) -> tuple[str, str]:
        """The function whose role it is."""
        service, name = self.deployed.roles.get(role, ("", ""))
        return service, name.removesuffix("Role")

    def _by_schedule(self, role: str) -> bool:
        return self._owner(role) in self._scheduled

    def _aside(self, owner: tuple[str, str], operation: Operation) -> bool:
        """Was it a schedule that ran this meanwhile? Relaying is what one schedule is for."""
        return owner in self._scheduled and not owner[0] == operation.service == "event-relay"

    def _lines(self, begin: float) -> dict[str, list[tuple[float, str]]]:
        """(when, what) by log group, since ``begin``."""
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
            if service and not self._aside(self._owner(role), window.operation) and not action.startswith(_NOT_COUNTED):
                used[service].calls[action] += count
        for (role, name), units in window.units.items():
            if not self._aside(self._owner(role), window.operation):
                kind, _, table = name.partition(" ")
                service = self.deployed.roles.get(role, ("shop", ""))[0]
                used[service].units[f"{kind} {self.deployed.table(table)}"] += units
        for group, (service, name) in self.deployed.logs.items():
            owner = (service, name.removesuffix("Log") + "Function")
            if self._aside(owner, window.operation):
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
                used[route.service].messages += route.over == "bus"

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
        """What each scheduled function used in a minute in which nothing else happened: {"service/Function": usage}."""
        self._settle()
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
    """The document that is checked in: a round to warm up, one that counts, and a minute for the schedules."""
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


def write(document: dict[str, Any]) -> None:
    FILE.write_text(json.dumps(document, indent=1) + "\n")


def table() -> dict[str, Any]:
    """What was measured, as checked in."""
    return json.loads(FILE.read_text())


def main() -> None:
    """``python -m bench.operations NAME …``: what each of these operations uses, once, as JSON."""
    chosen = [operation for operation in OPERATIONS if operation.name in sys.argv[1:]]
    used = Measurement(Shop.from_environment()).run(chosen)
    documents = {name: {piece: usage.document() for piece, usage in of.items()} for name, of in used.items()}
    print(json.dumps(documents))


if __name__ == "__main__":
    main()

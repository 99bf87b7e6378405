"""Cost and demand of a load: usage per operation times operations. Pure, except ``Templates.declared``.

    operations.json   usage of one operation by set piece (bench.measurement)
    load.json         operations a day at 1x, the peak, assumed durations of functions
    prices.json       prices of AWS
    quotas.json       quotas of AWS

Concurrency follows Little's law: arrivals a second times seconds each. Utilisation is the demand of the peak second over a
limit; demand above the limit waits in a queue or, without one, is refused.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from bench import operations, quotas
from bench.prices import firehose_gigabytes, price
from model.templates import iter_resources, name_of, pieces

DAY, MONTH_DAYS, MONTH_HOURS = 86_400, 30.4, 730
MILLION = 1_000_000
GIGABYTE = 1024**3
# Lambda polls an idle queue with five long polls of 20 s. https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
IDLE_POLLS_A_MINUTE = 15
# SQS, SNS and DynamoDB generate and decrypt a data key at most every five minutes.
DATA_KEYS_AN_HOUR = 2 * 12
# They are not deployed in production.
SIMULATORS = "partners"
# Entries of the price list by column of the tables.
GROUPS = {
    "API": ("api_gateway_rest_request", "waf_request"),
    "Lambda": ("lambda_request", "lambda_gb_second_arm64"),
    "DynamoDB": ("dynamodb_write_unit", "dynamodb_read_unit"),
    "messages": ("sqs_standard_request", "sqs_fifo_request", "sns_publish", "eventbridge_event", "ses_mail"),
    "workflow": ("step_functions_transition",),
    "S3, stream": ("s3_put", "s3_get", "firehose_gb"),
    "logs, traces": ("logs_gb", "xray_trace"),
    "keys": ("kms_request",),
}
_S3_READS = ("s3:GetObject", "s3:HeadObject")
_S3_FREE = ("s3:DeleteObject",)

Units = defaultdict[str, float]


@cache
def load() -> dict[str, Any]:
    return json.loads(Path(__file__).with_name("load.json").read_text())


@dataclass(frozen=True)
class Templates:
    """Properties of the templates that the model uses. Functions are ``service/LogicalId``."""

    memory_gb: Mapping[str, float]
    # (maximum concurrency, batch size) of functions behind a queue.
    consumers: Mapping[str, tuple[int, int]]
    fifo: frozenset[str]
    throttles: Mapping[str, float]
    # Functions whose callers wait for the response.
    requests: frozenset[str]

    @classmethod
    def declared(cls) -> "Templates":
        memory, consumers, throttles = {}, {}, {}
        for piece, name, function in iter_resources("AWS::Lambda::Function"):
            memory[f"{piece.service}/{name}"] = function.get("MemorySize", 128) / 1024
        for piece, _, mapping in iter_resources("AWS::Lambda::EventSourceMapping"):
            at_once = int(
                mapping.get("ScalingConfig", {}).get("MaximumConcurrency", quotas.value("lambda_concurrency"))
            )
            consumers[f"{piece.service}/{name_of(mapping['FunctionName'])}"] = at_once, int(mapping["BatchSize"])
        for piece, _, stage in iter_resources("AWS::ApiGateway::Stage"):
            for setting in stage.get("MethodSettings", []):
                if setting["ResourcePath"] == "/*":
                    throttles[piece.service] = float(setting["ThrottlingRateLimit"])
        fifo = {piece.service for piece, _, queue in iter_resources("AWS::SQS::Queue") if queue.get("FifoQueue")}
        requests = {
            f"{piece.service}/{name_of(permission['FunctionName']).removesuffix('Aliaslive')}"
            for piece, _, permission in iter_resources("AWS::Lambda::Permission")
            if permission["Principal"] == "apigateway.amazonaws.com"
        }
        return cls(memory, consumers, frozenset(fifo), throttles, frozenset(requests))


def seconds(function: str, templates: Templates) -> float:
    """The assumed duration of a function."""
    assumed = load()["milliseconds"]
    kind = "consumer" if function in templates.consumers else "request"
    return assumed["functions"].get(function, assumed[kind]) / 1000


def units(service: str, used: Mapping[str, Any], templates: Templates) -> Units:
    """The usage of a set piece in units of the price list."""
    calls, invocations = used.get("calls", {}), used.get("invocations", {})
    amounts: Units = defaultdict(float)
    amounts["api_gateway_rest_request"] = amounts["waf_request"] = used.get("api", 0)
    amounts["lambda_request"] = sum(invocations.values())
    consumed = 0
    for name, count in invocations.items():
        function = f"{service}/{name}"
        amounts["lambda_gb_second_arm64"] += count * templates.memory_gb[function] * seconds(function, templates)
        # A batch is received and deleted.
        consumed += 2 * count if function in templates.consumers else 0
    for kind in ("write", "read"):
        amounts[f"dynamodb_{kind}_unit"] = sum(n for name, n in used.get("units", {}).items() if name.startswith(kind))
    # A topic sends its message to one queue; messages from the bus are in ``messages``.
    send_requests = sum(count for name, count in calls.items() if name.startswith("sqs:")) + _published(calls)
    kind = "fifo" if service in templates.fifo else "standard"
    amounts[f"sqs_{kind}_request"] = consumed + send_requests
    amounts["sqs_standard_request"] += used.get("messages", 0)
    amounts["sns_publish"] = _published(calls)
    amounts["eventbridge_event"] = used.get("events", 0)
    amounts["ses_mail"] = sum(count for name, count in calls.items() if name.startswith("ses:"))
    amounts["kms_request"] = sum(count for name, count in calls.items() if name.startswith("kms:"))
    amounts["step_functions_transition"] = used.get("transitions", 0)
    objects = {name: count for name, count in calls.items() if name.startswith("s3:") and name not in _S3_FREE}
    amounts["s3_get"] = sum(count for name, count in objects.items() if name in _S3_READS)
    amounts["s3_put"] = sum(objects.values()) - amounts["s3_get"]
    amounts["logs_gb"] = used.get("log_bytes", 0) / GIGABYTE
    amounts["xray_trace"] = load()["trace_sampling"] * (used.get("api", 0) + consumed / 2)
    return defaultdict(float, {name: count for name, count in amounts.items() if count})


def _published(calls: Mapping[str, float]) -> float:
    return sum(count for name, count in calls.items() if name.lower().endswith("sns:publish"))


def dollars(of: Units) -> float:
    return sum(price(name, count) for name, count in of.items())


def grouped(of: Units) -> dict[str, float]:
    """US dollars by the groups of ``GROUPS``."""
    known = {name for names in GROUPS.values() for name in names}
    assert set(of) <= known, set(of) - known
    return {group: sum(price(name, of[name]) for name in names) for group, names in GROUPS.items()}


@dataclass(frozen=True)
class Model:
    """``measured`` is operations.json."""

    measured: Mapping[str, Any]
    templates: Templates

    @classmethod
    def checked_in(cls) -> "Model":
        return cls(operations.table(), Templates.declared())

    def each(self) -> Iterator[tuple[str, int, str, Mapping[str, Any]]]:
        """(operation, number of items, set piece, usage), without the simulators of external systems."""
        for name, operation in self.measured["operations"].items():
            for service, used in operation["pieces"].items():
                if service != SIMULATORS:
                    yield name, operation["of"], service, used

    def units(self, operation: str, service: str) -> Units:
        """The units that one item of an operation costs a set piece."""
        measured = self.measured["operations"][operation]
        used = units(service, measured["pieces"][service], self.templates)
        if operation == "ingest events" and service == "ingestion":
            used["firehose_gb"] += firehose_gigabytes(measured["of"], load()["event_bytes"])
        return defaultdict(float, {name: count / measured["of"] for name, count in used.items()})

    # --- money ---

    def per_million(self) -> list[tuple[str, str, Units]]:
        """(set piece, operation, units of a million items), by set piece."""
        rows = [
            (service, name, defaultdict(float, {unit: n * MILLION for unit, n in self.units(name, service).items()}))
            for name, _, service, _ in self.each()
        ]
        return sorted(rows, key=lambda row: row[0])

    def a_month(self, multiple: float) -> dict[str, float]:
        """US dollars of usage a month, by set piece."""
        bill: dict[str, float] = defaultdict(float)
        for name, _, service, _ in self.each():
            bill[service] += dollars(self.units(name, service)) * a_day(name, multiple) * MONTH_DAYS
        return dict(sorted(bill.items()))

    def schedules_a_month(self) -> dict[str, float]:
        """US dollars a month of functions that run every minute, by function."""
        costs = {}
        for function, used in self.measured["schedules"].items():
            service, _, name = function.partition("/")
            minute = dollars(units(service, used, self.templates))
            costs[function] = (minute + price("scheduler_invocation", used["invocations"][name])) * 60 * MONTH_HOURS
        return costs

    # --- load ---

    def rate(self, operation: str, multiple: float) -> float:
        """Items of an operation a second at the peak."""
        peak = 1 if load()["a_day"].get(operation, {}).get("fixed") else load()["peak_factor"]
        return a_day(operation, multiple) * peak / DAY

    def per_second(self, multiple: float, service: str, of: str, name: str = "", only: tuple[str, ...] = ()) -> float:
        """Usage ``of`` a set piece a second at the peak: api, events, ... or ``name`` of its invocations, calls or units."""
        total = 0.0
        for operation, many, piece, used in self.each():
            if service in ("", piece) and (not only or operation in only):
                usage = used.get(of, {} if name else 0)
                total += (usage.get(name, 0) if name else usage) / many * self.rate(operation, multiple)
        return total

    def table_units(self, multiple: float, kind: str, table: str) -> float:
        """Reads or writes of a table by all callers, without its indexes."""
        return sum(
            count / many * self.rate(operation, multiple)
            for operation, many, _, used in self.each()
            for name, count in used.get("units", {}).items()
            if name == f"{kind} {table}"
        )

    def tables(self) -> list[str]:
        names = {name.split(" ")[1] for *_, used in self.each() for name in used.get("units", {})}
        return sorted(name for name in names if name.count("/") == 1)

    def concurrency(self, multiple: float, waiting: bool = False) -> float:
        """Concurrent executions at the peak; behind queues at most their maximum, unless ``waiting``."""
        total = 0.0
        for function, invocations in self.invocations(multiple).items():
            at_once = invocations * seconds(function, self.templates)
            most, _ = self.templates.consumers.get(function, (at_once, 0))
            total += at_once if waiting else min(at_once, most)
        return total

    def busiest(self, multiple: float) -> tuple[str, float]:
        """(function, concurrency) with the most concurrent executions at the peak, of functions whose callers wait."""
        concurrency_by_function = {
            name: rate * seconds(name, self.templates)
            for name, rate in self.invocations(multiple).items()
            if name in self.templates.requests
        }
        name = max(concurrency_by_function, key=lambda one: concurrency_by_function[one])
        return name, concurrency_by_function[name]

    def invocations(self, multiple: float) -> dict[str, float]:
        """Invocations a second at the peak, by function."""
        rates: Counter[str] = Counter()
        for operation, many, service, used in self.each():
            for name, count in used.get("invocations", {}).items():
                rates[f"{service}/{name}"] += count / many * self.rate(operation, multiple)
        return dict(rates)


def a_day(operation: str, multiple: float) -> float:
    entry = load()["a_day"].get(operation, {"count": 0})
    return entry["count"] * (1 if entry.get("fixed") else multiple)


# --- fixed costs ---


def fixed() -> dict[str, tuple[float, str]]:
    """Fixed costs in US dollars a month: (amount, quantity), from the templates of production."""
    alarms = sum(
        max(1, len(_measured(alarm))) for piece, _, alarm in iter_resources("AWS::CloudWatch::Alarm") if _ours(piece)
    )
    boards = sum(1 for piece, _, _ in iter_resources("AWS::CloudWatch::Dashboard") if _ours(piece))
    keys = sum(1 for piece, _, _ in iter_resources("AWS::KMS::Key") if _ours(piece))
    acls = [acl for piece, _, acl in iter_resources("AWS::WAFv2::WebACL")]
    rules = sum(len(acl["Rules"]) for acl in acls)
    balancers = len(list(iter_resources("AWS::ElasticLoadBalancingV2::LoadBalancer")))
    zones = sum(
        len(endpoint["SubnetIds"])
        for _, _, endpoint in iter_resources("AWS::EC2::VPCEndpoint")
        if endpoint.get("VpcEndpointType") == "Interface"
    )
    task = next(properties for _, _, properties in iter_resources("AWS::ECS::TaskDefinition"))
    tasks = int(pieces()["storefront"].source["Parameters"]["Tasks"]["Default"])
    vcpu, gb = int(task["Cpu"]) / 1024, int(task["Memory"]) / 1024
    nodes = next(properties for _, _, properties in iter_resources("AWS::ElastiCache::ReplicationGroup"))[
        "NumCacheClusters"
    ]
    encrypted = sum("KmsMasterKeyId" in one for _, _, one in iter_resources("AWS::SQS::Queue", "AWS::SNS::Topic"))
    encrypted += sum(
        table["SSESpecification"]["SSEType"] == "KMS" for _, _, table in iter_resources("AWS::DynamoDB::Table")
    )
    queues = len(Templates.declared().consumers) + 2  # the feed pipeline is deployed three times
    return {
        "alarms": (price("alarm_month", alarms), f"{alarms} metrics of alarms"),
        "dashboards": (price("dashboard_month", boards), f"{boards} dashboards"),
        "keys": (price("kms_key_month", keys), f"{keys} keys"),
        "data keys": (
            price("kms_request", encrypted * DATA_KEYS_AN_HOUR * MONTH_HOURS),
            f"{encrypted} queues, topics and tables with our own key, {DATA_KEYS_AN_HOUR} requests an hour each",
        ),
        "web ACLs": (
            price("web_acl_month", len(acls)) + price("web_acl_rule_month", rules),
            f"{len(acls)} web ACLs with {rules} rules",
        ),
        "load balancer": (price("load_balancer_hour", balancers * MONTH_HOURS), f"{balancers}, by the hour"),
        "endpoints": (price("vpc_endpoint_hour", zones * MONTH_HOURS), f"{zones} interface endpoints and zones"),
        "containers": (
            price("fargate_vcpu_hour_arm64", tasks * vcpu * MONTH_HOURS)
            + price("fargate_gb_hour_arm64", tasks * gb * MONTH_HOURS),
            f"{tasks} of {vcpu:g} vCPU and {gb:g} GB",
        ),
        "session store": (price("cache_t4g_micro_hour", nodes * MONTH_HOURS), f"{nodes} nodes"),
        "idle pollers": (
            price("sqs_standard_request", queues * IDLE_POLLS_A_MINUTE * 60 * MONTH_HOURS),
            f"{queues} queues that functions read, {IDLE_POLLS_A_MINUTE} receives a minute each",
        ),
    }


def _ours(piece: Any) -> bool:
    return piece.service != SIMULATORS


def _measured(alarm: Mapping[str, Any]) -> list[Any]:
    """The metrics that an alarm is charged for; expressions over them are not."""
    return [metric for metric in alarm.get("Metrics", []) if "MetricStat" in metric]

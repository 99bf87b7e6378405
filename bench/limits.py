"""The limits that the shop reaches first, and its behaviour then: demand of the peak second divided by the limit.

Demands come from the model (measured calls times load), limits from AWS's quotas or from our own templates.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from bench import quotas
from bench.cost_model import Model, load, seconds
from model.templates import pieces

# Instances cache values of Parameter Store for five minutes (setpieces.parameters), and the state of the tax circuit for 2 s
# (functions/tax).
ADDRESS_SECONDS, CIRCUIT_SECONDS = 300, 2
# Time in which the load rises to the peak.
RAMP_SECONDS = 10
PARTITIONS_IN_PROGRESS = 10  # functions/orders/orders/repository/orders.py
# One pass of relay-events: receive ten, publish, delete; it works 40 s of every minute.
RELAY_BATCH, RELAY_PASS_SECONDS, RELAY_BUSY_SECONDS = 10, 0.06, 40


@dataclass(frozen=True)
class Limit:
    """``quota`` names an entry of quotas.json, ``most`` is a limit of the shop; ``why`` describes how demand is calculated."""

    name: str
    demand: Callable[[Model, float], float]
    why: str
    then: str
    quota: str = ""
    most: float = 0.0
    unit: str = ""

    @property
    def allowed(self) -> float:
        return quotas.value(self.quota) if self.quota else self.most

    @property
    def measure(self) -> str:
        return self.unit or str(quotas.table()["quotas"][self.quota]["unit"])

    def used(self, model: Model, multiple: float) -> float:
        """Utilization of the limit at the peak; above 1 the limit is exceeded."""
        return self.demand(model, multiple) / self.allowed


def limits(model: Model) -> list[Limit]:
    """All limits of the model."""
    return [*_of_aws(), *_of_tables(model), *_of_apis(model), *_of_queues(model)]


def ranked(model: Model, multiple: float) -> list[tuple[Limit, float]]:
    """(limit, utilization), the highest first."""
    shares = [(limit, limit.used(model, multiple)) for limit in limits(model)]
    return sorted(shares, key=lambda share: -share[1])


def binds_at(limit: Limit, model: Model) -> float:
    """The multiple of the load that reaches a limit; demand grows with the load, except its fixed part."""
    low, high = 0.0, 1.0
    while limit.used(model, high) < 1:
        if high > 1e12:
            return float("inf")
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if limit.used(model, middle) < 1 else (low, middle)
    return high


def _new_instances(model: Model, multiple: float) -> float:
    """Instances that start per second while the load rises from the day's average to the peak."""
    return model.concurrency(multiple) * (1 - 1 / load()["peak_factor"]) / RAMP_SECONDS


def _parameters(model: Model, multiple: float) -> float:
    each = load()["parameters_of_an_instance"]
    return each * (_new_instances(model, multiple) + model.concurrency(multiple) / ADDRESS_SECONDS)


def _counter(model: Model, multiple: float) -> float:
    return model.per_second(multiple, "", "units", "write sequences/Table", only=("place an order",))


def _in_progress(model: Model, multiple: float) -> float:
    return model.per_second(multiple, "orders", "units", "write orders/Table/in-progress")


def _deliveries(model: Model, multiple: float) -> float:
    # Every event goes to the log of all events as well.
    return model.per_second(multiple, "", "messages") + model.per_second(multiple, "", "events")


def _stream_records(model: Model, multiple: float) -> float:
    return model.rate("ingest events", multiple)


def _of_aws() -> Iterator[Limit]:
    yield Limit(
        "API Gateway, whole account",
        lambda model, multiple: model.per_second(multiple, "", "api"),
        "requests of all APIs, including those between services",
        "429 with Retry-After; the shop's own callers retry with backoff. Raise the quota before the sale.",
        quota="api_gateway_account",
    )
    yield Limit(
        "Lambda concurrency, whole account",
        lambda model, multiple: model.concurrency(multiple),
        "invocations/s × seconds, functions behind queues at most at their maximum",
        "Functions behind queues respect their maximum, so requests can use the rest; Lambda refuses requests beyond it.",
        quota="lambda_concurrency",
    )
    yield Limit(
        "new instances of the busiest function",
        lambda model, multiple: model.busiest(multiple)[1] * (1 - 1 / load()["peak_factor"]) / RAMP_SECONDS,
        f"rise from the average to the peak in {RAMP_SECONDS} s",
        "Requests beyond it are refused for some seconds; `ProvisionedConcurrency` covers the start of the rise.",
        quota="lambda_scaling",
    )
    yield Limit(
        "counter of order numbers (one item)",
        _counter,
        "one write an order",
        "Callers that need many numbers lease them: one write for 1,000 numbers. Orders take one each so that numbers have "
        "no gaps; callers that lease 100, and drop the rest when they end, would raise the limit to 100,000 orders/s.",
        quota="dynamodb_partition_writes",
    )
    yield Limit(
        "index of orders in progress",
        _in_progress,
        "index writes per order: entry, changes of status, exit",
        "Ten keys, by the last digit of the number. A throttled index throttles its table: POST of an order then gets "
        "503 with Retry-After.",
        most=quotas.value("dynamodb_partition_writes") * PARTITIONS_IN_PROGRESS,
        unit=f"write units/s, {PARTITIONS_IN_PROGRESS} keys of {quotas.value('dynamodb_partition_writes'):,.0f}",
    )
    yield Limit(
        "index of open voucher batches",
        lambda model, multiple: model.per_second(multiple, "vouchers", "units", "write vouchers/BatchesTable/open"),
        "index writes per batch of 5,000: chunks count their vouchers",
        "The workflow retries chunks with backoff; four run at once in a batch.",
        quota="dynamodb_partition_writes",
    )
    yield Limit(
        "index of open feeds",
        lambda model, multiple: (
            model.per_second(multiple, "feed-pipeline", "units", "write feeds/FeedsTable/open")
            + model.per_second(multiple, "feeds", "units", "write feeds/FeedsTable/open")
        ),
        "index writes per feed of 100 records",
        "Send larger feeds instead of more: a feed may have any size. Lambda retries the transformation.",
        quota="dynamodb_partition_writes",
    )
    yield Limit(
        "state of the tax circuit (one item)",
        lambda model, multiple: min(
            model.invocations(multiple).get("tax/QuoteTaxFunction", 0.0),
            model.invocations(multiple).get("tax/QuoteTaxFunction", 0.0)
            * seconds("tax/QuoteTaxFunction", model.templates)
            / CIRCUIT_SECONDS,
        ),
        "instances ÷ 2 s, because each caches the state",
        "Instances use the last state that they read, or a closed circuit, and call the tax system.",
        quota="dynamodb_partition_reads",
    )
    yield Limit(
        "PutEvents",
        lambda model, multiple: sum(
            model.per_second(multiple, service, "calls", "events:PutEvents")
            for service in {piece for _, _, piece, _ in model.each()}
        ),
        "one call per event; the relay publishes up to ten in one call",
        "A function behind a queue fails and its message is retried; a sign-in continues without its event.",
        quota="eventbridge_put_events",
    )
    yield Limit(
        "deliveries of the bus",
        _deliveries,
        "events × (consumers' queues and the log)",
        "EventBridge delivers later, for 24 hours; nothing is lost.",
        quota="eventbridge_invocations",
    )
    yield Limit(
        "StartExecution",
        lambda model, multiple: sum(
            model.per_second(multiple, service, "calls", "states:StartExecution")
            for service in ("vouchers", "sitemaps")
        ),
        "one per batch of 5,000 vouchers, one per night",
        "The stored batch is its own outbox: the sweeper starts it within two minutes.",
        quota="step_functions_start",
    )
    yield Limit(
        "state transitions",
        lambda model, multiple: model.per_second(multiple, "", "transitions"),
        "states entered",
        "Step Functions throttles the runs.",
        quota="step_functions_transitions",
    )
    yield Limit(
        "mails",
        lambda model, multiple: model.per_second(multiple, "vouchers", "calls", "ses:SendEmail"),
        "one per batch of 5,000 vouchers",
        "At most two notifiers, retries for an hour, then a dead letter and an alarm.",
        quota="ses_rate",
    )
    yield Limit(
        "publications to topics",
        lambda model, multiple: model.per_second(multiple, "customers", "calls", "sns:Publish"),
        "one per sign-up",
        "503 `NOT_PASSED_ON`: the sign-up is stored, and repeating the request publishes its event.",
        quota="sns_publish",
    )
    yield Limit(
        "Parameter Store",
        _parameters,
        "2 parameters × (new instances/s + instances ÷ 300 s)",
        "Each process caches parameters for four to five minutes, so requests do not read them; while reads are throttled it "
        "uses the cached ones, and a new process tries twice before it answers 503. For peaks: "
        "`aws ssm update-service-setting --setting-id /ssm/parameter-store/high-throughput-enabled --setting-value true`.",
        quota="ssm_get_parameter",
    )
    yield Limit(
        "records of the stream",
        _stream_records,
        "one per event",
        "503, or 207 with a result per record, with Retry-After; producers retry. Raise the quota before the sale.",
        quota="firehose_records",
    )
    yield Limit(
        "calls of the stream",
        lambda model, multiple: model.per_second(multiple, "ingestion", "calls", "firehose:PutRecordBatch"),
        "one per batch of 100 events; single events would need a hundred times as many",
        "503 with Retry-After; batches of up to 500 are one call.",
        quota="firehose_requests",
    )
    yield Limit(
        "bytes of the stream",
        lambda model, multiple: _stream_records(model, multiple) * load()["event_bytes"],
        f"{load()['event_bytes']} bytes per event with its envelope",
        "503 with Retry-After; Firehose raises the quota of a throttled stream automatically.",
        quota="firehose_bytes",
    )
    yield Limit(
        "relay on its schedule",
        lambda model, multiple: model.rate("relay an update", multiple),
        f"{RELAY_BUSY_SECONDS} s of a minute, {RELAY_BATCH} in {RELAY_PASS_SECONDS * 1000:.0f} ms (assumption)",
        "Updates wait in the queue, in order; with `RelayMode: fifo` the queue invokes up to five functions at once.",
        most=RELAY_BUSY_SECONDS / RELAY_PASS_SECONDS * RELAY_BATCH / 60,
        unit="updates/s",
    )
    yield Limit(
        "FIFO queue of shipments",
        lambda model, multiple: model.per_second(multiple, "shipping", "calls", "sqs:SendMessage"),
        "one per order, each in its own group",
        "High-throughput mode; groups are orders, so none is hot. If sending fails, the source message is retried.",
        quota="sqs_fifo_high_throughput",
    )


def _table_units(kind: str, table: str, model: Model, multiple: float) -> float:
    return model.table_units(multiple, kind, table)


def _requests(service: str, model: Model, multiple: float) -> float:
    return model.per_second(multiple, service, "api")


def _invocations(function: str, model: Model, multiple: float) -> float:
    return model.invocations(multiple)[function]


def _of_tables(model: Model) -> Iterator[Limit]:
    for table in model.tables():
        for kind, quota in (("write", "dynamodb_table_writes"), ("read", "dynamodb_table_reads")):
            if model.table_units(1, kind, table):
                yield Limit(
                    f"{kind}s of {table}",
                    partial(_table_units, kind, table),
                    "measured units × operations/s, all keys together",
                    "The SDK retries throttled calls within the function's time, then the queue or the client (503) retries. "
                    f"A new table initially allows {quotas.value('dynamodb_new_table_writes'):,.0f} writes/s: warm it up.",
                    quota=quota,
                )


def _of_apis(model: Model) -> Iterator[Limit]:
    for service, rate in sorted(model.templates.throttles.items()):
        if model.per_second(1, service, "api"):
            yield Limit(
                f"throttle of the {service} API",
                partial(_requests, service),
                "requests, including those of other services",
                "429 with Retry-After: the template's `ThrottlingRateLimit` keeps one API within its part of the quota.",
                most=rate,
                unit="requests/s, from the template",
            )


def _of_queues(model: Model) -> Iterator[Limit]:
    for function, (at_once, batch) in sorted(model.templates.consumers.items()):
        each = seconds(function, model.templates)
        if model.invocations(1).get(function):
            copies = _copies(function.partition("/")[0])
            yield Limit(
                f"workers of {function.removesuffix('Function')}",
                partial(_invocations, function),
                f"invocations as measured, of up to {batch} message(s) each",
                "Messages wait, as intended: the maximum protects the called system. The simulation shows how long.",
                most=copies * at_once / each,
                unit=f"invocations/s: {f'{copies} × ' if copies > 1 else ''}{at_once} at once ÷ {each:g} s",
            )


def _copies(service: str) -> int:
    """The number of times that the shop nests a template."""
    nested = pieces()["shop"].source["Resources"].values()
    return sum(resource["Properties"].get("Location") == f"{service}.yaml" for resource in nested)

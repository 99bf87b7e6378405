"""Which limit the shop meets first, and what the design does then: what the peak second asks of each, over what is allowed.

Demands come from the model (measured calls times load), limits from AWS's quotas or from our own templates.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from bench import quotas
from bench.cost_model import Model, load, seconds
from local.declared import pieces

# Between instances and Parameter Store stands a cache of five minutes (setpieces.parameters), and of two seconds before the
# tax circuit (functions/tax).
ADDRESS_SECONDS, CIRCUIT_SECONDS = 300, 2
# One pass of relay-events: receive ten, publish, delete; it works 40 s of every minute.
# A peak takes so long to build up.
RAMP_SECONDS = 10
PARTITIONS_IN_PROGRESS = 10  # functions/orders/orders/repository.py
RELAY_BATCH, RELAY_PASS_SECONDS, RELAY_BUSY_SECONDS = 10, 0.06, 40


@dataclass(frozen=True)
class Limit:
    """``quota`` names an entry of quotas.json; ``most`` is a limit of our own. ``why`` is the demand's arithmetic in words."""

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
        """The share of the limit that the peak asks for; above 1 it binds."""
        return self.demand(model, multiple) / self.allowed


def limits(model: Model) -> list[Limit]:
    """Every limit that was looked at."""
    return [*_of_aws(), *_of_tables(model), *_of_apis(model), *_of_queues(model)]


def ranked(model: Model, multiple: float) -> list[tuple[Limit, float]]:
    """(limit, share used), the most used first."""
    shares = [(limit, limit.used(model, multiple)) for limit in limits(model)]
    return sorted(shares, key=lambda share: -share[1])


def binds_at(limit: Limit, model: Model) -> float:
    """The multiple of the load at which a limit is reached: demands grow with the load, but for what is there anyway."""
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
    """Instances a second that begin while the peak builds up from the day's average."""
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
        "requests of all APIs, those between services included",
        "429 with Retry-After; callers of ours retry with back-off. Raise the quota before the sale.",
        quota="api_gateway_account",
    )
    yield Limit(
        "Lambda concurrency, whole account",
        lambda model, multiple: model.concurrency(multiple),
        "invocations/s × seconds, functions behind queues at most at their maximum",
        "Functions behind queues keep to their maximum, so requests have the rest; what is more is refused.",
        quota="lambda_concurrency",
    )
    yield Limit(
        "new instances of the busiest function",
        lambda model, multiple: model.busiest(multiple)[1] * (1 - 1 / load()["peak_factor"]) / RAMP_SECONDS,
        f"the way from the average to the peak in {RAMP_SECONDS} s",
        "Requests beyond it are refused for some seconds; `ProvisionedConcurrency` takes the first step.",
        quota="lambda_scaling",
    )
    yield Limit(
        "counter of order numbers (one item)",
        _counter,
        "one write an order",
        "Callers that need many lease: one write for 1,000 numbers. Orders take one each so that numbers have no gaps; callers "
        "that lease 100, and forget the rest when they end, bring the ceiling to 100,000 orders/s.",
        quota="dynamodb_partition_writes",
    )
    yield Limit(
        "index of orders in progress",
        _in_progress,
        "writes of the index an order: it enters, changes its status, leaves",
        "Ten keys, by the last digit of the number. A throttled index throttles its table: placing an order is then answered "
        "503 with Retry-After.",
        most=quotas.value("dynamodb_partition_writes") * PARTITIONS_IN_PROGRESS,
        unit=f"write units/s, {PARTITIONS_IN_PROGRESS} keys of {quotas.value('dynamodb_partition_writes'):,.0f}",
    )
    yield Limit(
        "index of open voucher batches",
        lambda model, multiple: model.per_second(multiple, "vouchers", "units", "write vouchers/BatchesTable/open"),
        "writes of the index a batch of 5,000: chunks count what they have made",
        "Chunks are retried with back-off by the workflow; four run at once in a batch.",
        quota="dynamodb_partition_writes",
    )
    yield Limit(
        "index of open feeds",
        lambda model, multiple: (
            model.per_second(multiple, "feed-pipeline", "units", "write feeds/FeedsTable/open")
            + model.per_second(multiple, "feeds", "units", "write feeds/FeedsTable/open")
        ),
        "writes of the index a feed of 100 records",
        "Feeds are larger then, not more: a feed may have any size. Transform is retried by Lambda.",
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
        "instances ÷ 2 s, as each keeps what it has read",
        "What was seen last counts, or that it is closed: the tax system is asked.",
        quota="dynamodb_partition_reads",
    )
    yield Limit(
        "PutEvents",
        lambda model, multiple: sum(
            model.per_second(multiple, service, "calls", "events:PutEvents")
            for service in {piece for _, _, piece, _ in model.each()}
        ),
        "one call an event; the relay sends up to ten in one",
        "A function behind a queue fails and its message comes again; a sign-in goes on without its event.",
        quota="eventbridge_put_events",
    )
    yield Limit(
        "deliveries of the bus",
        _deliveries,
        "events × queues they go to, and the log",
        "EventBridge delivers later, for 24 hours; nothing is lost.",
        quota="eventbridge_invocations",
    )
    yield Limit(
        "StartExecution",
        lambda model, multiple: sum(
            model.per_second(multiple, service, "calls", "states:StartExecution")
            for service in ("vouchers", "sitemaps")
        ),
        "one a batch of 5,000 vouchers, one a night",
        "The stored batch is its own outbox: the sweeper starts it within two minutes.",
        quota="step_functions_start",
    )
    yield Limit(
        "state transitions",
        lambda model, multiple: model.per_second(multiple, "", "transitions"),
        "states entered",
        "Step Functions slows the runs down.",
        quota="step_functions_transitions",
    )
    yield Limit(
        "mails",
        lambda model, multiple: model.per_second(multiple, "vouchers", "calls", "ses:SendEmail"),
        "one a batch of 5,000 vouchers",
        "Two notifiers at most, retries for an hour, then a dead letter and an alarm.",
        quota="ses_rate",
    )
    yield Limit(
        "publications to topics",
        lambda model, multiple: model.per_second(multiple, "customers", "calls", "sns:Publish"),
        "one a sign-up",
        "503 `NOT_PASSED_ON`: what was asked for is stored, and repeating the request passes it on.",
        quota="sns_publish",
    )
    yield Limit(
        "Parameter Store",
        _parameters,
        "2 parameters × (new instances/s + instances ÷ 300 s)",
        "Each process keeps addresses for four to five minutes, so requests do not ask; while reads are throttled it goes on "
        "with what it has, and a new process asks twice before it answers 503. For peaks: "
        "`aws ssm update-service-setting --setting-id /ssm/parameter-store/high-throughput-enabled --setting-value true`.",
        quota="ssm_get_parameter",
    )
    yield Limit(
        "records of the stream",
        _stream_records,
        "one an event",
        "503, or 207 that tells record by record, with Retry-After; producers send it again. Ask for more before the sale.",
        quota="firehose_records",
    )
    yield Limit(
        "calls of the stream",
        lambda model, multiple: model.per_second(multiple, "ingestion", "calls", "firehose:PutRecordBatch"),
        "one a batch of 100 events; one by one it would be a hundred times as many",
        "503 with Retry-After; batches of up to 500 are one call.",
        quota="firehose_requests",
    )
    yield Limit(
        "bytes of the stream",
        lambda model, multiple: _stream_records(model, multiple) * load()["event_bytes"],
        f"{load()['event_bytes']} bytes an event with its envelope",
        "503 with Retry-After; Firehose raises a stream that is throttled by itself.",
        quota="firehose_bytes",
    )
    yield Limit(
        "relay on its schedule",
        lambda model, multiple: model.rate("relay an update", multiple),
        f"{RELAY_BUSY_SECONDS} s of a minute, {RELAY_BATCH} in {RELAY_PASS_SECONDS * 1000:.0f} ms (assumption)",
        "Updates wait in the queue, in order; `RelayMode: fifo` makes the queue the source of up to five functions at once.",
        most=RELAY_BUSY_SECONDS / RELAY_PASS_SECONDS * RELAY_BATCH / 60,
        unit="updates/s",
    )
    yield Limit(
        "FIFO queue of shipments",
        lambda model, multiple: model.per_second(multiple, "shipping", "calls", "sqs:SendMessage"),
        "one an order, each in a group of its own",
        "High-throughput mode; groups are orders, so none is hot. Sending fails, and the message before it comes again.",
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
                    "Throttled calls are retried by the SDK within the function's time, then by the queue or the client (503). "
                    f"A new table takes {quotas.value('dynamodb_new_table_writes'):,.0f} writes/s at first: warm it.",
                    quota=quota,
                )


def _of_apis(model: Model) -> Iterator[Limit]:
    for service, rate in sorted(model.templates.throttles.items()):
        if model.per_second(1, service, "api"):
            yield Limit(
                f"throttle of the {service} API",
                partial(_requests, service),
                "requests, those of other services included",
                "429 with Retry-After: the template's own `ThrottlingRateLimit` keeps one API from taking the account's rate.",
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
                "Messages wait: that is what the maximum is for, it protects what is behind. See the simulation for how long.",
                most=copies * at_once / each,
                unit=f"invocations/s: {f'{copies} × ' if copies > 1 else ''}{at_once} at once ÷ {each:g} s",
            )


def _copies(service: str) -> int:
    """How often the shop nests a template."""
    nested = pieces()["shop"].source["Resources"].values()
    return sum(resource["Properties"].get("Location") == f"{service}.yaml" for resource in nested)

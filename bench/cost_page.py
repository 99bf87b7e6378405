"""docs/capacity-and-cost.md, made from the model: ``make cost``."""

import math
from collections.abc import Iterable, Iterator
from typing import Any

from bench import quotas, saturation
from bench.cost_model import DAY, GROUPS, MONTH_DAYS, Model, a_day, dollars, fixed, grouped, load, prices_as_of, seconds
from bench.limits import PARTITIONS_IN_PROGRESS, Limit, binds_at, limits, ranked
from bench.prices import table as price_table
from local.settings import ROOT

PAGE = ROOT / "docs" / "capacity-and-cost.md"
# The queues whose waiting is worth a look: customers feel it, or money is behind it.
QUEUES = (
    "orders/ProcessOrderFunction",
    "payments/AuthorizePaymentFunction",
    "shipping/ShipOrderFunction",
    "data-sync/SyncCustomerFunction",
)
SPIKE_MULTIPLES = (100, 1000, 10_000)
CHART = ("orders/ProcessOrderFunction", 1000)
LEASE = 100


def page(model: Model) -> str:
    parts = (
        _preface(model),
        _operations(model),
        _bill(model),
        _binding(model),
        _answers(model),
        _simulation(model),
        _sources(),
    )
    return "\n".join(line for part in parts for line in part) + "\n"


def _preface(model: Model) -> Iterator[str]:
    measured = model.measured
    yield f"""# Capacity and cost

Made by `make cost` from `bench/operations.json` (calls of each operation, measured {measured["measured"]} in the running shop at commit
`{measured["commit"][:12]}`), `bench/load.json` (load), `bench/prices.json` ({prices_as_of()}) and `bench/quotas.json`
({quotas.table()["region"]}, {quotas.table()["as_of"]}). `make cost MEASURE=1` measures anew; `tests/integration/test_operation_calls.py`
fails when the shop no longer calls what is written here. Both tables of AWS's numbers come from second hand where they say so: there was
no way to AWS's own pages. Look there before you count on them.

**What is measured, and what is not.** Calls, DynamoDB units (with indexes and transactions), invocations, events, states and bytes of logs
are counted in the local cloud, which runs the templates that deploy. How long a function runs on AWS cannot be measured here: it is a
parameter ({load()["milliseconds"]["request"]} ms behind an API, {load()["milliseconds"]["consumer"]} ms behind a queue, others in `bench/load.json`).
What Lambda's pollers ask SQS is a formula: a receive and a delete for each invocation, and {15} receives a minute and idle queue. Left out: free
tiers, volume discounts, data transfer, storage, support, and the simulators of outside systems, which production does not have.

**1×** is what `bench/load.json` says; numbers of the talk are marked, all others are assumptions. The busiest seconds are taken as
{load()["peak_factor"]} times the average ({load()["peak_why"].removeprefix("Assumption: ").rstrip(".")}).
"""
    rows = [
        (
            name,
            f"{entry['count']:,}",
            *(_rate(model.rate(name, multiple)) for multiple in load()["multiples"]),
            entry["why"],
        )
        for name, entry in load()["a_day"].items()
    ]
    heads = [f"peak/s at {multiple:,}×" for multiple in load()["multiples"]]
    yield from _table(("operation", "a day at 1×", *heads, "from"), rows)


def _operations(model: Model) -> Iterator[str]:
    yield """
## What a million costs

US dollars for a million of each operation, by the set piece that they are spent in. Operations that are made of many (records, events,
vouchers) are counted one by one.
"""
    rows = []
    for service, operation, used in model.per_million():
        groups = grouped(used)
        cells = [_money(groups[group]) if groups[group] >= 0.005 else "" for group in GROUPS]
        rows.append((service, operation, _money(dollars(used)), *cells))
    yield from _table(("set piece", "operation", "a million", *GROUPS), rows)
    orders = [(service, used) for service, operation, used in model.per_million() if operation == "place an order"]
    total = sum(dollars(used) for _, used in orders)
    shares = " + ".join(f"{service} {dollars(used):.2f}" for service, used in orders)
    yield f"""
**An order, end to end**: {shares} = **{total:.2f}** a million, {total / 10_000:.4f} cents each. API requests between services are
part of it: sequences, basket and tax are called over their APIs."""


def _bill(model: Model) -> Iterator[str]:
    multiples = load()["multiples"]
    bills = [model.a_month(multiple) for multiple in multiples]
    standing, scheduled = fixed(), model.schedules_a_month()
    yield f"""
## The bill of a month

Use: price of one × operations a day × {MONTH_DAYS} days. What is there whether or not somebody comes is below.
"""
    rows = [(service, *(_money(bill[service]) for bill in bills)) for service in bills[0]]
    base = sum(amount for amount, _ in standing.values()) + sum(scheduled.values())
    rows.append(("**use**", *(f"**{_money(sum(bill.values()))}**" for bill in bills)))
    rows.append(("standing, below", *(_money(base) for _ in bills)))
    rows.append(("**all**", *(f"**{_money(sum(bill.values()) + base)}**" for bill in bills)))
    yield from _table(("set piece", *(f"{multiple:,}×" for multiple in multiples)), rows)
    yield ""
    rows = [(name, _money(amount), of) for name, (amount, of) in standing.items()]
    rows.append(("schedules", _money(sum(scheduled.values())), f"{len(scheduled)} functions, every minute"))
    yield from _table(("standing", "a month", "what"), rows)
    most = max(bills[-1], key=lambda service: bills[-1][service])
    yield f"""
At {multiples[-1]:,}× {most} is the largest part. Containers and the load balancer grow with pages too (at most 20 containers, from the template);
that is a few hundred dollars and left out."""


def _binding(model: Model) -> Iterator[str]:
    yield """
## Which limit binds first

What the peak second asks of a limit, over the limit. Above 100 % it binds. The last column is the multiple of the load at which it would.
"""
    for multiple in load()["multiples"]:
        limit, used = ranked(model, multiple)[0]
        asks = f"asks {_number(limit.demand(model, multiple))} of {_number(limit.allowed)} {limit.measure}"
        verdict = (
            "nothing binds" if used < 1 else f"**{sum(one >= 1 for _, one in ranked(model, multiple))} limits bind**"
        )
        yield f"* **{multiple:,}×**: {verdict}; the first is **{limit.name}**, which {asks} ({used:.0%})."
    yield ""
    multiples = load()["multiples"]
    rows = []
    for limit in sorted(limits(model), key=lambda one: binds_at(one, model)):
        at = binds_at(limit, model)
        # What nobody comes near is left out.
        if at < 100_000:
            shares = (_share(limit.used(model, multiple)) for multiple in multiples)
            rows.append((limit.name, f"{_number(limit.allowed)} {limit.measure}", *shares, f"{_number(at)}×"))
    heads = (f"{multiple:,}×" for multiple in multiples)
    yield from _table(("limit", "allowed", *heads, "binds at"), rows)
    others = ", ".join(sorted(limit.name for limit in limits(model) if binds_at(limit, model) >= 100_000))
    yield f"\nBeyond 100,000×: {others}."
    yield _instances(model)


def _instances(model: Model) -> str:
    parts = []
    for multiple in load()["multiples"]:
        at_once, wanted = model.concurrency(multiple), model.concurrency(multiple, waiting=True)
        parts.append(f"{at_once:,.0f} at {multiple:,}× ({wanted:,.0f} if no queue held anything back)")
    return f"\nFunctions at once at the peak, Σ invocations/s × seconds: {'; '.join(parts)}."


def _answers(model: Model) -> Iterator[str]:
    multiple = load()["multiples"][-1]
    yield f"""
## The arithmetic, and what the design does then

At {multiple:,}×, for every limit that binds there.
"""
    rows = [
        (
            limit.name,
            f"{limit.why}: {_number(limit.demand(model, multiple))} ÷ {_number(limit.allowed)} = {used:.1f}",
            _needed(model, limit, multiple) + limit.then,
        )
        for limit, used in ranked(model, multiple)
        if used >= 1
    ]
    yield from _table(("limit", "demand ÷ allowed", "what happens, and what to do"), rows)
    counter = next(limit for limit in limits(model) if limit.name.startswith("counter"))
    index = next(limit for limit in limits(model) if limit.name.startswith("index of orders"))
    new = load()["parameters_of_an_instance"]
    yield f"""
What the model found:

* **The index of orders in progress** was one key. An order writes to it {_number(index.demand(model, 1) / model.rate("place an order", 1))} times, so
  1,000 write units a second were 250 orders a second, and an index that is throttled throttles its table. It has {PARTITIONS_IN_PROGRESS} keys now.
* **Parameter Store** gives 40 reads a second to a whole account. Processes keep addresses for five minutes, so requests hardly ask; instances that
  begin do, {new} each. It binds at {_number(binds_at(_named(model, "Parameter Store"), model))}×: an account that expects a sale
  switches the higher throughput on. It is a setting of the account that CloudFormation does not have.
* **The stream of ingestion** takes 1 MiB and 1,000 calls a second in {quotas.table()["region"]}, less than in us-east-1: of
  {load()["event_bytes"]} bytes, {_number(quotas.value("firehose_bytes") / load()["event_bytes"])} events a second before Firehose raises it.
* **Order numbers come one by one**, so that they have no gaps: {_number(counter.allowed)} orders a second. A lease of {LEASE} makes it
  {_number(counter.allowed * LEASE)}; vouchers lease 5,000 at a time already.
* **Maxima of queues are what binds first**, as they should: they are set to what the systems behind them bear, not to what AWS bears. They are
  parameters or a line of a template, and rise with those systems."""


def _named(model: Model, name: str) -> Limit:
    return next(limit for limit in limits(model) if limit.name == name)


def _needed(model: Model, limit: Limit, multiple: float) -> str:
    """For a queue: how large its maximum would have to be."""
    function = limit.name.removeprefix("workers of ") + "Function"
    if function not in model.templates.consumers:
        return ""
    each = seconds(function, model.templates)
    peak = math.ceil(limit.demand(model, multiple) * each)
    usual = math.ceil(limit.demand(model, multiple) / load()["peak_factor"] * each)
    return f"{usual:,} at once keep up with the average, {peak:,} with the peak. "


def _simulation(model: Model) -> Iterator[str]:
    quota = quotas.value("dynamodb_partition_writes")
    yield f"""
## What happens at the limit

Simulated with a fixed seed (`bench/saturation.py`), as it cannot be run here; `tests/unit/bench/test_saturation.py` holds it against closed forms.

**One counter item** of {quota:,.0f} writes a second, three tries with back-off, for a minute. Refused is answered 429 or 503.
"""
    rows = []
    for multiple in load()["multiples"]:
        wanted = model.rate("place an order", multiple)
        for lease in (1, LEASE):
            result = saturation.counter(wanted, quota, lease)
            rows.append(
                (f"{multiple:,}×", _rate(wanted), f"{lease:,}", _rate(result.writes_a_second), f"{result.refused:.1%}")
            )
    yield from _table(("load", "numbers/s", "a write", "writes/s", "refused"), rows)
    yield f"""
**Queues**: the average, and for a minute {load()["peak_factor"]} times that. How deep the queue gets, how old its oldest message, and how long until
it is empty again. ∞: the average alone is more than the maximum bears; then the queue grows until somebody raises it, and what is older than
the queue's retention (four days) would be lost: its age alarm goes off after five minutes.
"""
    yield from _table(
        ("queue", "load", "average/s", "at most/s", "deepest", "oldest s", "empty after s", "fluid: deepest"),
        _queues(model),
    )
    yield from _chart(model)
    yield """
**Lambda** takes up to 1,000 instances more every ten seconds for each function, and 1,000 of all in an account that has not asked for more. A step
from the average to the peak, for the busiest function:
"""
    rows = []
    for multiple in load()["multiples"]:
        calls = model.invocations(multiple)
        behind_apis = [name for name in calls if name not in model.templates.consumers]
        busiest = max(behind_apis, key=lambda name: calls[name] * seconds(name, model.templates))
        each, peak = seconds(busiest, model.templates), calls[busiest]
        for account in (quotas.value("lambda_concurrency"), 10 * quotas.value("lambda_concurrency")):
            result = saturation.ramp(peak / load()["peak_factor"], peak, each, quotas.value("lambda_scaling"), account)
            until = "∞" if math.isinf(result.seconds) else f"{result.seconds:.1f}"
            rows.append(
                (f"{multiple:,}×", busiest, f"{peak * each:,.0f}", f"{account:,.0f}", f"{result.refused:.1%}", until)
            )
    yield from _table(
        ("load", "function", "needed at once", "account allows", "refused in the first minute", "until none is, s"),
        rows,
    )


def _queues(model: Model) -> Iterator[tuple[str, ...]]:
    for function in QUEUES:
        at_once, _ = model.templates.consumers[function]
        each = seconds(function, model.templates)
        for multiple in SPIKE_MULTIPLES:
            usual, capacity = _average(model, function, multiple), at_once / each
            spike = usual * load()["peak_factor"]
            result = saturation.queue(usual, spike, at_once, each)
            growing = usual >= capacity
            fluid = max(0.0, spike - capacity) * 60
            yield (
                function.removesuffix("Function"),
                f"{multiple:,}×",
                _rate(usual),
                _rate(capacity),
                "∞" if growing else f"{result.deepest:,}",
                "∞" if growing else f"{result.oldest:,.1f}",
                "∞" if growing or math.isinf(result.drained) else f"{result.drained:,.0f}",
                "∞" if growing else f"{fluid:,.0f}",
            )


def _average(model: Model, function: str, multiple: float) -> float:
    return model.invocations(multiple)[function] / load()["peak_factor"]


def _chart(model: Model) -> Iterator[str]:
    function, multiple = CHART
    at_once, _ = model.templates.consumers[function]
    usual = _average(model, function, multiple)
    result = saturation.queue(usual, usual * load()["peak_factor"], at_once, seconds(function, model.templates))
    moments = range(0, 601, 30)
    yield f"""
```mermaid
xychart-beta
  title "Messages that wait for {function.removesuffix("Function")} at {multiple:,}×, spike from 60 s to 120 s"
  x-axis "seconds" [{", ".join(str(at) for at in moments)}]
  y-axis "messages"
  line [{", ".join(str(result.depth(at)) for at in moments)}]
```"""


def _sources() -> Iterator[str]:
    yield f"""
## Prices and quotas

Prices: {price_table()["note"]}

Quotas: {quotas.table()["note"]}
"""
    rows = [
        (
            name,
            f"{entry['price']:g} per {entry['per']:,}",
            entry.get("unit", ""),
            _source(entry),
            "seen" in entry and "yes" or "",
        )
        for name, entry in price_table()["prices"].items()
    ]
    yield from _table(("price", "US dollars", "of", "source", "read somewhere"), rows)
    yield ""
    rows = [
        (
            name,
            f"{entry['value']:,}",
            entry["unit"],
            "yes" if entry["adjustable"] else "no",
            _source(entry),
            "seen" in entry and "yes" or "",
        )
        for name, entry in quotas.table()["quotas"].items()
    ]
    yield from _table(("quota", "value", "unit", "can be raised", "source", "read somewhere"), rows)


def _source(entry: dict[str, Any]) -> str:
    return f"[AWS]({entry['source']})" + (
        f", read at [this page]({entry['seen']})"
        if entry.get("seen", "").startswith("https://") and " " not in entry["seen"]
        else ""
    )


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    names = list(heads)
    yield f"| {' | '.join(names)} |"
    yield f"|{'|'.join('---' for _ in names)}|"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _money(amount: float) -> str:
    return f"{amount:,.2f}" if amount < 1000 else f"{amount:,.0f}"


def _rate(amount: float) -> str:
    return f"{amount:,.0f}" if amount >= 100 else f"{amount:.3g}"


def _number(amount: float) -> str:
    return f"{amount:,.0f}" if amount >= 10 else f"{amount:.3g}"


def _share(used: float) -> str:
    text = f"{used:,.0%}" if used >= 0.01 else "<1 %"
    return (
        f"**{text.replace('%', ' %').replace('  ', ' ')}**" if used >= 1 else text.replace("%", " %").replace("  ", " ")
    )

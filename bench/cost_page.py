"""docs/capacity-and-cost.md: the text of ``capacity-and-cost.md.in`` with the numbers of the model."""

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from string import Template
from typing import Any

from bench import prices, quotas, saturation
from bench.cost_model import (
    GROUPS,
    IDLE_POLLS_A_MINUTE,
    MONTH_DAYS,
    Model,
    dollars,
    fixed,
    grouped,
    load,
    seconds,
)
from bench.limits import PARTITIONS_IN_PROGRESS, Limit, binds_at, limits, ranked
from model.settings import ROOT

PAGE = ROOT / "docs" / "capacity-and-cost.md"
WORDS = Path(__file__).with_name("capacity-and-cost.md.in")
# Queues that affect customers or payments.
QUEUES = (
    "orders/ProcessOrderFunction",
    "payments/AuthorizePaymentFunction",
    "shipping/ShipOrderFunction",
    "data-sync/SyncCustomerFunction",
)
SPIKE_MULTIPLES = (100, 1000, 10_000)
CHART = ("orders/ProcessOrderFunction", 1000)
LEASE = 100
# Limits that are exceeded only beyond this multiple are named without a row.
FAR = 100_000
# Limits with at least this utilization are raised before a sale.
SOON = 0.5


def files() -> dict[Path, str]:
    """The page, from the recorded measurement."""
    return {PAGE: page(Model.checked_in())}


def page(model: Model) -> str:
    parts = {**_facts(model), **_money_tables(model), **_limit_tables(model), **_simulations(model), **_sources()}
    return Template(WORDS.read_text()).substitute(parts)


def _facts(model: Model) -> dict[str, Any]:
    limit = {one.name: one for one in limits(model)}
    counter, index = limit["counter of order numbers (one item)"], limit["index of orders in progress"]
    return {
        "measured": model.measured["measured"],
        "commit": model.measured["commit"][:12],
        "prices": f"{prices.table()['region']}, {prices.table()['as_of']}",
        "quotas": f"{quotas.table()['region']}, {quotas.table()['as_of']}",
        "region": quotas.table()["region"],
        "request_ms": load()["milliseconds"]["request"],
        "consumer_ms": load()["milliseconds"]["consumer"],
        "idle_polls": IDLE_POLLS_A_MINUTE,
        "peak_factor": load()["peak_factor"],
        "month_days": MONTH_DAYS,
        "most_load": f"{load()['multiples'][-1]:,}",
        "event_bytes": load()["event_bytes"],
        "parameters": load()["parameters_of_an_instance"],
        "parameters_bind": _number(binds_at(limit["Parameter Store"], model)),
        "stream_events": _number(quotas.value("firehose_bytes") / load()["event_bytes"]),
        "put_events": _number(limit["PutEvents"].demand(model, load()["multiples"][-1])),
        "index_writes": _number(index.demand(model, 1) / model.rate("place an order", 1)),
        "index_keys": PARTITIONS_IN_PROGRESS,
        "counter": _number(counter.allowed),
        "process_most": _number(limit["workers of orders/ProcessOrder"].allowed),
        "lease": LEASE,
        "leased": _number(counter.allowed * LEASE),
        "partition": _number(quotas.value("dynamodb_partition_writes")),
    }


def _money_tables(model: Model) -> dict[str, str]:
    multiples = load()["multiples"]
    heads = [f"peak/s at {multiple:,}×" for multiple in multiples]
    day = [
        (name, f"{entry['count']:,}", *(_rate(model.rate(name, multiple)) for multiple in multiples), entry["why"])
        for name, entry in load()["a_day"].items()
    ]
    million = []
    for service, operation, used in model.per_million():
        cells = (_money(amount) if amount >= 0.005 else "" for amount in grouped(used).values())
        million.append((service, operation, _money(dollars(used)), *cells))
    order = [
        (service, dollars(used)) for service, operation, used in model.per_million() if operation == "place an order"
    ]
    total = sum(amount for _, amount in order)
    poll = {service: dollars(used) for service, operation, used in model.per_million() if operation == "poll an order"}
    bills = [model.a_month(multiple) for multiple in multiples]
    standing, scheduled = fixed(), model.schedules_a_month()
    base = sum(amount for amount, _ in standing.values()) + sum(scheduled.values())
    rows = [(service, *(_money(bill[service]) for bill in bills)) for service in bills[0]]
    rows.append(("**use**", *(f"**{_money(sum(bill.values()))}**" for bill in bills)))
    rows.append(("standing, below", *(_money(base) for _ in bills)))
    rows.append(("**all**", *(f"**{_money(sum(bill.values()) + base)}**" for bill in bills)))
    below = [(name, _money(amount), of) for name, (amount, of) in standing.items()]
    below.append(("schedules", _money(sum(scheduled.values())), f"{len(scheduled)} functions, every minute"))
    return {
        "load": _table(("operation", "a day at 1×", *heads, "from"), day),
        "operations": _table(("set piece", "operation", "a million", *GROUPS), million),
        "order_sum": " + ".join(f"{service} {amount:.2f}" for service, amount in order),
        "order_total": f"{total:.2f}",
        "order_cents": f"{total / 10_000:.4f}",
        "poll": f"{sum(poll.values()):.2f}",
        "poll_authorizer": f"{poll['login']:.2f}",
        "bill": _table(("set piece", *(f"{multiple:,}×" for multiple in multiples)), rows),
        "standing": _table(("fixed cost", "a month", "source"), below),
        "most_service": max(bills[-1], key=lambda service: bills[-1][service]),
    }


def _limit_tables(model: Model) -> dict[str, str]:
    multiples = load()["multiples"]
    first = []
    for multiple in multiples:
        limit, used = ranked(model, multiple)[0]
        binding = sum(share >= 1 for _, share in ranked(model, multiple))
        verdict = f"**{binding} limits are exceeded**" if binding else "no limit is exceeded"
        demand = f"uses {_number(limit.demand(model, multiple))} of {_number(limit.allowed)} {limit.measure}"
        first.append(f"* **{multiple:,}×**: {verdict}; the first is **{limit.name}**, which {demand} ({_share(used)}).")
    rows, far = [], []
    for limit in sorted(limits(model), key=lambda one: binds_at(one, model)):
        at = binds_at(limit, model)
        if at >= FAR:
            far.append(limit.name)
            continue
        shares = (_bold(_share(used), used >= 1) for used in (limit.used(model, multiple) for multiple in multiples))
        rows.append((limit.name, f"{_number(limit.allowed)} {limit.measure}", *shares, f"{_number(at)}×"))
    heads = (f"{multiple:,}×" for multiple in multiples)
    answers: dict[str, list[str]] = {}
    for limit, used in ranked(model, multiples[-1]):
        if used >= 1:
            sums = _arithmetic(model, limit, multiples[-1])
            answers.setdefault(limit.then, []).append(f"**{limit.name}**: {sums}")
    at_once = (
        f"{model.concurrency(multiple):,.0f} at {multiple:,}× "
        f"({model.concurrency(multiple, waiting=True):,.0f} without queue limits)"
        for multiple in multiples
    )
    sale = multiples[1]
    soon = [(limit, used) for limit, used in ranked(model, sale) if used >= SOON]
    answer_rows = (("<br>".join(sums), then) for then, sums in answers.items())
    return {
        "first": "\n".join(first),
        "limits": _table(("limit", "allowed", *heads, "exceeded at"), rows),
        "others": ", ".join(sorted(far)),
        "at_once": "; ".join(at_once),
        "sale_load": f"{sale:,}",
        "sale": _table(
            ("limit", "used", "demand ÷ allowed"),
            ((limit.name, _bold(_share(used), used >= 1), _arithmetic(model, limit, sale)) for limit, used in soon),
        ),
        "answers": _table(("limit: demand ÷ allowed", "behaviour and remedy"), answer_rows),
    }


def _arithmetic(model: Model, limit: Limit, multiple: float) -> str:
    demand = limit.demand(model, multiple)
    sums = f"{limit.why}: {_number(demand)} ÷ {_number(limit.allowed)} = {demand / limit.allowed:.1f}"
    function = limit.name.removeprefix("workers of ") + "Function"
    if function not in model.templates.consumers:
        return sums
    at_once = demand * seconds(function, model.templates)
    usual = math.ceil(at_once / load()["peak_factor"])
    return f"{sums}; {usual:,} at once keep up with the average, {math.ceil(at_once):,} with the peak"


def _simulations(model: Model) -> dict[str, str]:
    counters, ramps = [], []
    for multiple in load()["multiples"]:
        orders_a_second = model.rate("place an order", multiple)
        for lease in (1, LEASE):
            counter = saturation.counter(orders_a_second, quotas.value("dynamodb_partition_writes"), lease)
            numbers = (_rate(orders_a_second), f"{lease:,}", _rate(counter.writes_a_second), f"{counter.refused:.1%}")
            counters.append((f"{multiple:,}×", *numbers))
        busiest, at_once = model.busiest(multiple)
        each = seconds(busiest, model.templates)
        peak = at_once / each
        for account in (quotas.value("lambda_concurrency"), 10 * quotas.value("lambda_concurrency")):
            step = saturation.ramp(peak / load()["peak_factor"], peak, each, quotas.value("lambda_scaling"), account)
            numbers = (f"{at_once:,.0f}", f"{account:,.0f}", f"{step.refused:.1%}", _endless(step.seconds, 1))
            ramps.append((f"{multiple:,}×", busiest.removesuffix("Function"), *numbers))
    waiting = ("queue", "load", "average/s", "at most/s", "deepest", "oldest s", "empty after s", "deepest as a fluid")
    refused = (
        "load",
        "function",
        "needed at once",
        "account allows",
        "refused in the first minute",
        "until none is, s",
    )
    return {
        "counters": _table(("load", "numbers/s", "numbers a write", "writes/s", "refused"), counters),
        "queues": _table(waiting, _queues(model)),
        "chart": _chart(model),
        "ramps": _table(refused, ramps),
    }


def _queues(model: Model) -> Iterator[tuple[str, ...]]:
    for function in QUEUES:
        at_once, _ = model.templates.consumers[function]
        each = seconds(function, model.templates)
        for multiple in SPIKE_MULTIPLES:
            usual, most = _average(model, function, multiple), at_once / each
            row = (function.removesuffix("Function"), f"{multiple:,}×", _rate(usual), _rate(most))
            if usual >= most:
                yield (*row, "∞", "∞", "∞", "∞")
                continue
            spike = usual * load()["peak_factor"]
            after_spike = saturation.queue(usual, spike, at_once, each)
            fluid = max(0.0, spike - most) * 60
            yield (
                *row,
                f"{after_spike.deepest:,}",
                f"{after_spike.oldest:,.1f}",
                _endless(after_spike.drained, 0),
                f"{fluid:,.0f}",
            )


def _average(model: Model, function: str, multiple: float) -> float:
    return model.invocations(multiple)[function] / load()["peak_factor"]


def _chart(model: Model) -> str:
    function, multiple = CHART
    at_once, _ = model.templates.consumers[function]
    usual = _average(model, function, multiple)
    at_peak = saturation.queue(usual, usual * load()["peak_factor"], at_once, seconds(function, model.templates))
    moments = range(0, 601, 30)
    return f"""```mermaid
xychart-beta
  title "Messages that wait for {function.removesuffix("Function")} at {multiple:,}×, spike from 60 s to 120 s"
  x-axis "seconds" [{", ".join(str(at) for at in moments)}]
  y-axis "messages"
  line [{", ".join(str(at_peak.depth(at)) for at in moments)}]
```"""


def _sources() -> dict[str, str]:
    costs, allowed = [], []
    for name, entry in prices.table()["prices"].items():
        costs.append((name, f"{entry['price']:g} per {entry['per']:,}", entry.get("unit", ""), *_read(entry)))
    for name, entry in quotas.table()["quotas"].items():
        raised = "yes" if entry["adjustable"] else "no"
        allowed.append((name, f"{entry['value']:,}", entry["unit"], raised, *_read(entry)))
    return {
        "prices_note": prices.table()["note"],
        "quotas_note": quotas.table()["note"],
        "price_table": _table(("price", "US dollars", "of", "source", "read at"), costs),
        "quota_table": _table(("quota", "value", "unit", "can be raised", "source", "read at"), allowed),
    }


def _read(entry: dict[str, Any]) -> tuple[str, str]:
    page_read = entry.get("seen", "not verified")
    return f"[AWS]({entry['source']})", f"[this page]({page_read})" if " " not in page_read else page_read


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    names = list(heads)
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _money(amount: float) -> str:
    return f"{amount:,.2f}" if amount < 1000 else f"{amount:,.0f}"


def _rate(amount: float) -> str:
    return f"{amount:,.0f}" if amount >= 100 else f"{amount:.3g}"


def _number(amount: float) -> str:
    return f"{amount:,.0f}" if amount >= 10 else f"{amount:.3g}"


def _share(used: float) -> str:
    return f"{used * 100:,.0f} %" if used >= 0.01 else "<1 %"


def _bold(text: str, really: bool) -> str:
    return f"**{text}**" if really else text


def _endless(amount: float, digits: int) -> str:
    return "∞" if math.isinf(amount) else f"{amount:,.{digits}f}"

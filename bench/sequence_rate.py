"""Sequence values a second through the front door: one by one at 1, 8 and 32 clients, and by leases of 1,000.

Targets: no duplicate and no gap at 32 clients; leases at least 100 times the rate of single values.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

from bench.report import Verdict, report
from tools.client import Shop

NEXT = "/sequences/v1/sequences/order/next"
LEASE = "/sequences/v1/sequences/order/lease"


def _rate(shop: Shop, clients: int, calls: int, path: str, body: Any = None) -> tuple[float, list[dict[str, Any]]]:
    """(calls a second, answers)"""
    with ThreadPoolExecutor(clients) as pool:
        started = time.perf_counter()
        answers = list(pool.map(lambda _: shop.call("POST", path, json=body, sign=True).json(), range(calls)))
        return calls / (time.perf_counter() - started), answers


def run() -> None:
    shop = Shop.from_environment()
    _rate(shop, 8, 80, NEXT)
    rows = []
    single = 0.0
    for clients in (1, 8, 32):
        rate, answers = _rate(shop, clients, 1000, NEXT)
        values = [answer["value"] for answer in answers]
        gaps = max(values) - min(values) + 1 - len(set(values))
        single = max(single, rate)
        rows.append(_row("next", clients, rate, rate, single, len(values) - len(set(values)), gaps))
    rate, answers = _rate(shop, 8, 200, LEASE, {"count": 1000})
    blocks = sorted((answer["first"], answer["last"]) for answer in answers)
    overlaps = sum(before[1] >= after[0] for before, after in pairwise(blocks))
    rows.append(_row("lease of 1,000", 8, rate, rate * 1000, single, overlaps, 0))
    most, lease = rows[-2], rows[-1]
    verdicts = [
        Verdict(
            "Sequence values through the front door at 32 clients",
            "no duplicate, no gap",
            f"{most['duplicates']} duplicates, {most['gaps']} gaps among 1,000",
            not most["duplicates"] and not most["gaps"],
            "another client requested values at the same time" if most["gaps"] and not most["duplicates"] else "",
        ),
        Verdict(
            "Leases of 1,000 against the best rate of single values",
            "≥ 100 x",
            f"{lease['times best single rate']:.0f} x, {lease['duplicates']} overlaps",
            lease["times best single rate"] >= 100 and not lease["duplicates"],
        ),
    ]
    report("sequence_rate", "Sequence values through the front door", rows, verdicts)


def _row(
    what: str, clients: int, calls: float, values: float, single: float, duplicates: int, gaps: int
) -> dict[str, Any]:
    return {
        "what": what,
        "clients": clients,
        "calls/s": round(calls),
        "values/s": round(values),
        "times best single rate": values / single,
        "duplicates": duplicates,
        "gaps": gaps,
    }

"""Redirects: decisions a second by number of rules, and the share of requests that a cache answers.

Target: the cost of exact rules and prefixes does not depend on their number. The cache (RFC 9111) is in front of the running
shop; requests follow a Zipf distribution, like links to a moved site.
"""

import itertools
import random
import tempfile
import time
from pathlib import Path
from typing import Any

import hishel
from hishel.httpx import CacheClient

from bench.report import Verdict, report
from redirects.domain.compiler import compile_rules
from redirects.domain.rules import RuleSet
from tools.client import Shop

SITE = "www.shop.example"
SIZES = (10, 1_000, 100_000)
EXPRESSIONS = (10, 100, 1_000)
SECONDS = 1.0
FLAT = 2.0
REQUESTS = 400
PAGES = 60


def run() -> None:
    rows: list[dict[str, Any]] = []
    for match, sizes in (("exact", SIZES), ("prefix", SIZES), ("regex", EXPRESSIONS)):
        rates = {count: _rate(match, count) for count in sizes}
        few = rates[sizes[0]]
        rows += [
            {"match": match, "rules": count, "decisions/s": round(rate), "time against fewest": few / rate}
            for count, rate in rates.items()
        ]
    grown = max(row["time against fewest"] for row in rows if row["match"] != "regex")
    verdict = Verdict(
        f"A decision by exact rules and prefixes among {SIZES[-1]:,}, against one among {SIZES[0]}",
        f"flat (≤ {FLAT} x)",
        f"{grown:.2f} x",
        grown <= FLAT,
        "" if grown <= FLAT else "one lookup each; a hundred thousand rules exceed the processor's cache",
    )
    report("redirects", "Decisions a second by number of rules", rows, [verdict])
    report(
        "redirects_cdn", f"{REQUESTS} requests for {PAGES} old addresses (Zipf) through an RFC 9111 cache", [_hits()]
    )


def _rules(match: str, count: int) -> RuleSet:
    make_rule = {
        "exact": lambda number: {"from": f"/old/section-{number % 97}/page-{number}", "to": f"/new/{number}"},
        "prefix": lambda number: {
            "from": f"/old/section-{number % 97}/shelf-{number}",
            "to": f"/new/{number}/{{rest}}",
        },
        "regex": lambda number: {"from": f"/old/shelf-{number}/([a-z0-9-]+)", "to": f"/new/{number}/{{1}}"},
    }[match]
    rules = [{"id": f"r{number}", "match": match, **make_rule(number)} for number in range(count)]
    return compile_rules({"rules": rules}, [SITE], [])


def _rate(match: str, count: int) -> float:
    rules, chance = _rules(match, count), random.Random(1)
    numbers = [chance.randrange(count) for _ in range(1_000)]
    paths = {
        "exact": [f"/old/section-{number % 97}/page-{number}" for number in numbers],
        "prefix": [f"/old/section-{number % 97}/shelf-{number}/a/b" for number in numbers],
        "regex": [f"/old/shelf-{number}/a-b" for number in numbers],
    }[match]
    assert all(rules.decide(SITE, path, ()) for path in paths)
    started = time.perf_counter()
    for done, path in enumerate(itertools.cycle(paths), start=1):
        rules.decide(SITE, path, ())
        if done % 500 == 0 and time.perf_counter() - started > SECONDS:
            return done / (time.perf_counter() - started)
    raise AssertionError("a cycle has no end")


def _hits() -> dict[str, Any]:
    shop, chance = Shop.from_environment(), random.Random(1)
    weights = [1 / rank for rank in range(1, PAGES + 1)]
    pages = chance.choices(range(PAGES), weights, k=REQUESTS)
    durations: dict[bool, list[float]] = {True: [], False: []}
    with tempfile.TemporaryDirectory() as folder:
        storage = hishel.SqliteStorage(database_path=Path(folder) / "cache.db")
        with CacheClient(storage=storage, rfc=hishel.CacheOptions(shared=True)) as cdn:
            for page in pages:
                started = time.perf_counter()
                response = cdn.get(shop.url(f"/p/{10_000 + page}"))
                assert response.status_code == 308
                durations[bool(response.extensions["caching"]["from_cache"])].append(time.perf_counter() - started)
    return {
        "hits": len(durations[True]),
        "hit share": len(durations[True]) / REQUESTS,
        "ms hit": 1000 * sum(durations[True]) / len(durations[True]),
        "ms miss": 1000 * sum(durations[False]) / len(durations[False]),
        "invocations": len(durations[False]),
    }

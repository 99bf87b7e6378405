"""Concurrent clients of a function that has no process yet: their latency, and the number of processes that start.

Target: no failed request. Times depend on the machine; the ratio to a single client, measured in the same run, does not.
"""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

from bench.report import Verdict, report
from local.cloud.processes import kill_workers
from tools.client import Shop

CLIENTS = (1, 8, 32)
ROUNDS = int(os.environ.get("SETPIECES_BENCH_RUNS", "3"))


def run() -> None:
    shop = Shop.from_environment()
    rows = [_measure(shop, clients) for clients in CLIENTS]
    failed = sum(row["errors"] for row in rows)
    verdict = Verdict("Failed requests of concurrent clients of a cold function", "0", str(failed), not failed)
    report("cold_stampede", f"Concurrent clients of a cold function, {ROUNDS} rounds each", rows, [verdict])


def _measure(shop: Shop, clients: int) -> dict[str, Any]:
    """One row: seconds until the answer over all rounds, errors, and processes per round."""
    seconds: list[float] = []
    errors = workers = 0
    for _ in range(ROUNDS):
        kill_workers()
        barrier = Barrier(clients)

        def call(_: int, barrier: Barrier = barrier) -> tuple[float, bool]:
            barrier.wait()
            began = time.perf_counter()
            succeeded = shop.call("GET", "/catalog/v1/products", timeout=120).status_code == 200
            return time.perf_counter() - began, succeeded

        with ThreadPoolExecutor(clients) as pool:
            answers = list(pool.map(call, range(clients)))
        seconds += [duration for duration, _ in answers]
        errors += sum(not succeeded for _, succeeded in answers)
        workers += kill_workers()
    seconds.sort()
    return {
        "clients": clients,
        "p50 s": seconds[len(seconds) // 2],
        "p99 s": seconds[int(len(seconds) * 0.99)],
        "errors": errors,
        "workers per round": workers / ROUNDS,
    }

"""Codeless ingestion against an API whose function puts the event into the same stream: calls, latency, price.

The function is deployed for the measurement (``bench/ingest_function.yaml``), with the same model, envelope and stream.
Requests alternate, so that other load affects both. Prices are list prices of AWS (``bench/prices.json``); billed durations
are measured.
"""

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from bench.aws_calls import calls
from bench.prices import firehose_gigabytes, price, table
from bench.report import Verdict, report
from bench.variant import variant
from model.settings import STAGE
from tools.client import Shop, unique

EVENTS = 300
WARM_UP = 20
COUNTED = 50
MILLION = 1_000_000
MEMORY_GB = 256 / 1024
TEMPLATE = Path(__file__).with_name("ingest_function.yaml")


def run() -> None:
    shop = Shop.from_environment()
    headers = {"x-api-key": shop.samples["ingest_api_key"]}
    parameters = {
        "Stage": STAGE,
        "CommonLayerArn": shop.address("foundation", "common-layer-arn"),
        "StreamName": shop.address("ingestion", "stream-name"),
    }
    with variant(shop, TEMPLATE, parameters):
        ways: dict[str, Callable[[], httpx.Response]] = {
            "codeless": lambda: shop.call("POST", "/ingestion/v1/events", json=event(), headers=headers),
            "function": lambda: shop.call("POST", "/bench/v1/events", json=event()),
        }
        durations = _alternate(ways)
        counted = {name: _calls(way) for name, way in ways.items()}
        seconds = _billed(shop)
    record = len(json.dumps(event())) + 100
    least = statistics.median(durations["codeless"])
    rows: list[dict[str, Any]] = []
    costs: list[dict[str, Any]] = []
    for name, times in durations.items():
        invocations = counted[name].get("lambda", 0.0)
        parts = {
            "API": price("api_gateway_rest_request", MILLION),
            "Lambda": price("lambda_request", invocations * MILLION)
            + price("lambda_gb_second_arm64", invocations * MILLION * MEMORY_GB * seconds),
            "stream": price("firehose_gb", firehose_gigabytes(MILLION, record)),
        }
        rows.append(
            {
                "way": name,
                "p50 ms": statistics.median(times) * 1000,
                "p95 ms": statistics.quantiles(times, n=20)[-1] * 1000,
                "times codeless": statistics.median(times) / least,
                "Lambda calls/event": invocations,
                "Firehose calls/event": counted[name].get("firehose", 0.0),
            }
        )
        costs.append({"way": name, **parts, "all": sum(parts.values())})
    ratios = {row["way"]: row["times codeless"] for row in rows}
    verdict = Verdict(
        "Codeless ingestion, against a function that puts the event",
        "not slower, no invocation",
        f"with a function {ratios['function']:.2f} x as long",
        ratios["function"] >= 1 and rows[0]["Lambda calls/event"] == 0,
    )
    report("ingestion", f"{EVENTS} events one by one, alternating", rows, [verdict])
    listed = f"prices of {table()['region']}, {table()['as_of']}; transform and S3 cost both the same"
    report("ingestion_cost", f"US dollars per million events; {listed}", costs)


def event() -> dict[str, Any]:
    return {
        "event_id": unique("bench"),
        "type": "bench",
        "occurred_at": "2026-01-01T00:00:00Z",
        "data": {"path": "/products/SP-10001", "referrer": "/"},
    }


def _alternate(ways: dict[str, Callable[[], httpx.Response]]) -> dict[str, list[float]]:
    durations: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(EVENTS + WARM_UP):
        for name, way in ways.items():
            started = time.perf_counter()
            response = way()
            assert response.status_code == 202, response.text
            if turn >= WARM_UP:
                durations[name].append(time.perf_counter() - started)
    return durations


def _calls(way: Callable[[], httpx.Response]) -> dict[str, float]:
    """Calls per event by service, rounded: calls of the stream, which are batches, are left out."""
    before = calls()
    for _ in range(COUNTED):
        way()
    counts = calls() - before
    counted = {
        "lambda": counts["lambda:POST"] / COUNTED,
        "firehose": (counts["firehose:PutRecord"] + counts["firehose:PutRecordBatch"]) / COUNTED,
    }
    return {name: float(round(count)) for name, count in counted.items()}


def _billed(shop: Shop) -> float:
    """The median duration of the function's invocations in seconds, from its log."""
    group = f"/aws/lambda/setpieces-{STAGE}-bench-put-event"
    pages = shop.aws("logs").get_paginator("filter_log_events").paginate(logGroupName=group)
    reports = [event["message"] for page in pages for event in page["events"] if event["message"].startswith("REPORT")]
    return statistics.median(float(text.split("Duration: ")[1].split(" ")[0]) for text in reports) / 1000

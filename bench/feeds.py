"""Feed records through the pipeline with 1 % poison, against one message at a time.

Target: at least 5 times the rate of a consumer without batches, which receives one message, sends it to the platform and
deletes it.
"""

import json
import time
from typing import Any

from bench.report import Verdict, report
from tools import feed_samples, feeds
from tools.client import Shop, eventually, unique

RECORDS = 3000
SINGLE = 200


def run() -> None:
    shop = Shop.from_environment()
    admin = feeds.admin_session(shop)
    feeds.complete_manifest(shop, admin, "product", feeds.upload(shop, admin, "product", _feed(20)))
    started = time.perf_counter()
    feed = feeds.complete_manifest(
        shop, admin, "product", feeds.upload(shop, admin, "product", _feed(RECORDS)), timeout=600
    )
    pipeline = RECORDS / (time.perf_counter() - started)
    single = _one_at_a_time(shop)
    rows: list[dict[str, Any]] = [
        {
            "way": "pipeline, from PUT to the complete manifest",
            "records": RECORDS,
            "per second": pipeline,
            "ratio": pipeline / single,
        },
        {"way": "one message at a time", "records": SINGLE, "per second": single, "ratio": 1.0},
    ]
    lost = RECORDS - sum(feed[name] for name in ("updated", "unchanged", "stale", "rejected", "failed"))
    ratio = pipeline / single
    verdict = Verdict(
        "Feed records through the pipeline with 1 % poison, against one message at a time",
        "nothing lost, ≥ 5 x",
        f"{lost} lost, {ratio:.1f} x",
        lost == 0 and ratio >= 5,
        "" if ratio >= 5 else "simulator, emulator and pipeline share the machine's cores",
    )
    report("feeds", f"{feed['failed']} of {RECORDS:,} refused by the platform", rows, [verdict])


def _feed(count: int) -> bytes:
    """A feed in which the platform refuses every hundredth record."""
    records = feed_samples.records("product", count, series=unique("B").upper())
    poisoned = (record | (feed_samples.REFUSED if number % 100 == 99 else {}) for number, record in enumerate(records))
    return feed_samples.as_json(poisoned)


def _one_at_a_time(shop: Shop) -> float:
    """Records per second of a consumer without batches."""
    sqs = shop.aws("sqs")
    url = sqs.create_queue(QueueName=unique("bench"))["QueueUrl"]
    for record in json.loads(_feed(SINGLE)):
        sqs.send_message(QueueUrl=url, MessageBody=json.dumps(record))
    started, done = time.perf_counter(), 0
    while done < SINGLE:
        [message] = eventually(lambda: sqs.receive_message(QueueUrl=url).get("Messages", []))
        body = {"updates": [json.loads(message["Body"])]}
        shop.call("POST", "/partners/v1/commerce/product-updates/product", json=body).raise_for_status()
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        done += 1
    seconds = time.perf_counter() - started
    sqs.delete_queue(QueueUrl=url)
    return SINGLE / seconds

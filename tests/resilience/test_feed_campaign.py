"""A feed with malformed, rejected and failing records, duplicate messages and killed workers.

``SETPIECES_FEED`` is the number of records (default 500, make torture has 20,000; 100,000 takes forty minutes). 1 % are
malformed, 1 % refused by the platform, 5 % of all updates fail for the time being. Afterwards the manifest is right to the
record, the platform is in the expected state, and the same feed again and an older one change nothing.
"""

import json
import os
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from local.cloud.processes import kill_workers
from tests.resilience.journeys import feed_line
from tools import feed_samples, feeds
from tools.client import Shop, eventually, unique

RECORDS = int(os.environ.get("SETPIECES_FEED", "500"))
SEED = int(os.environ.get("SETPIECES_SEED", "20191202"))
TIMEOUT = 300 + RECORDS // 40
VERSION = 2


@pytest.mark.timeout(TIMEOUT * 4)
def test_every_record_of_a_bad_feed_is_accounted_for(shop: Shop):
    admin, series, chance = feeds.admin_session(shop), unique("C").upper(), random.Random(SEED)
    records = list(feed_samples.records("product", RECORDS, version=VERSION, series=series))
    malformed = set(chance.sample(range(RECORDS), RECORDS // 100))
    refused = set(chance.sample(sorted(set(range(RECORDS)) - malformed), RECORDS // 100))
    lines = [feed_line(record, number in malformed, number in refused) for number, record in enumerate(records)]
    expected = {
        "received": RECORDS,
        "rejected": len(malformed),
        "failed": len(refused),
        "updated": RECORDS - len(malformed) - len(refused),
        "pending": 0,
    }
    good = [record for number, record in enumerate(records) if number not in malformed | refused]

    with shop.faults("commerce", error_rate=0.05, operations=["update_product"]):
        feed_id = feeds.upload(shop, admin, "product", b"\n".join(lines))
        eventually(lambda: feeds.manifest(shop, admin, "product", feed_id).get("updated"), timeout=TIMEOUT)
        doubled = double_messages(shop, chance)
        assert kill_workers()
        feed = feeds.complete_manifest(shop, admin, "product", feed_id, timeout=TIMEOUT)
    # A worker that is killed between update and account finds its record unchanged when it is delivered again.
    unchanged = feed.pop("unchanged")
    assert {name: feed[name] for name in expected} == expected | {"updated": expected["updated"] - unchanged}
    assert unchanged <= 20 * (1 + doubled)

    check_state(shop, good)
    before = effects(shop, good)
    assert set(before.values()) == {1}

    same = upload_feed(shop, admin, lines)
    assert (same["unchanged"], same["updated"]) == (len(good), 0)
    older = upload_feed(shop, admin, [feed_line(record | {"version": 1}) for record in records])
    assert (older["stale"], older["updated"]) == (len(good), len(malformed | refused))
    assert effects(shop, good) == before


def upload_feed(shop: Shop, admin: dict[str, str], lines: list[bytes]) -> dict[str, Any]:
    feed_id = feeds.upload(shop, admin, "product", b"\n".join(lines))
    return feeds.complete_manifest(shop, admin, "product", feed_id, timeout=TIMEOUT)


def double_messages(shop: Shop, chance: random.Random) -> int:
    """Send up to ten messages of the queue twice more, shuffled. Returns the number of messages sent."""
    sqs = shop.aws("sqs")
    url = sqs.get_queue_url(QueueName=f"setpieces-{shop.stage}-feed-pipeline-records-product")["QueueUrl"]
    messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=1).get("Messages", [])
    bodies = [message["Body"] for message in messages] * 2
    chance.shuffle(bodies)
    for body in bodies:
        sqs.send_message(QueueUrl=url, MessageBody=body)
    return len(bodies)


def check_state(shop: Shop, good: list[dict[str, Any]]) -> None:
    """Check that the platform stores each record; reads its table, which includes products without a price."""
    table = shop.address("partners", "table-name")

    def read_product(record: dict[str, Any]) -> dict[str, Any]:
        key = {"collection": {"S": "products"}, "key": {"S": record["sku"]}}
        item = shop.aws("dynamodb").get_item(TableName=table, Key=key)["Item"]
        return json.loads(item["document"]["S"])

    with ThreadPoolExecutor(8) as readers:
        for record, product in zip(good, readers.map(read_product, good), strict=True):
            assert record.items() <= product.items()


def effects(shop: Shop, good: list[dict[str, Any]]) -> Counter[str]:
    """Number of effects of each of a hundred records."""
    records = random.Random(SEED).sample(good, 100)
    return Counter({record["sku"]: len(shop.ledger("products", record["sku"])) for record in records})

"""A feed larger than the memory of the function that reads it. ``SETPIECES_FEED_MB`` is its size (default 40)."""

import json
import os
import random
import string
import tempfile
from pathlib import Path

import httpx
import pytest

from local.cloud.memory import Memory
from tools import feed_samples, feeds
from tools.client import Shop, unique

MEGABYTES = int(os.environ.get("SETPIECES_FEED_MB", "40"))
# Only known members of a record are sent to the platform; suppliers add others.
SPECIFICATION = 50_000
RECORDS = MEGABYTES * 1_000_000 // SPECIFICATION
PEAK_MB = 256
TRANSFORM = "feed-pipeline-transform-feed-product"


@pytest.mark.timeout(300 + 4 * MEGABYTES)
def test_a_large_feed_needs_no_more_memory_than_a_small_one(shop: Shop, tmp_path: Path):
    admin, series = feeds.admin_session(shop), unique("L").upper()
    text = "".join(random.Random(1).choices(string.ascii_letters, k=SPECIFICATION))
    with tempfile.TemporaryFile(dir=tmp_path) as file:
        file.write(b"[\n")
        for number, record in enumerate(feed_samples.records("product", RECORDS, series=series)):
            file.write(b",\n" * bool(number) + json.dumps(record | {"specification": text}).encode())
        file.write(b"\n]")
        size = file.tell()
        file.seek(0)
        assert size >= MEGABYTES * 1_000_000
        expected = shop.call("POST", "/feeds/v1/feeds/product", headers=admin).raise_for_status().json()
        with Memory((TRANSFORM,)) as memory:
            httpx.put(
                expected["upload"]["url"], content=file, headers={"Content-Length": str(size)}, timeout=300
            ).raise_for_status()
            feed = feeds.complete_manifest(shop, admin, "product", expected["feed_id"], timeout=240 + 3 * MEGABYTES)
    assert (feed["updated"], feed["rejected"], feed["failed"]) == (RECORDS, 0, 0)
    assert 0 < memory.peak[TRANSFORM] < PEAK_MB

"""Reads the events that the ingestion pipeline has stored."""

import base64
import gzip
import json
from collections.abc import Iterator
from typing import Any

from tools.client import Shop


def objects(shop: Shop, bucket: str, prefix: str) -> Iterator[tuple[str, bytes]]:
    """(key, decompressed content) of every object below ``prefix``."""
    s3 = shop.aws("s3")
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for item in page.get("Contents", []):
            content = s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read()
            yield item["Key"], gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content


def delivered_lines(shop: Shop, bucket: str, name: str, prefix: str = "events/") -> list[dict[str, Any]]:
    """The lines of all events that mention ``name``."""
    lines = (line for _, content in objects(shop, bucket, prefix) for line in content.split(b"\n"))
    return [json.loads(line) for line in lines if name.encode() in line]


def failed_records(shop: Shop, bucket: str, name: str) -> set[bytes]:
    """The records of the error prefix that mention ``name``, as the producer sent them."""
    rows = (row for _, content in objects(shop, bucket, "errors/processing-failed/") for row in content.splitlines())
    records = {base64.b64decode(json.loads(row).get("rawData", "")) for row in rows}
    return {record for record in records if name.encode() in record}


def event_count(shop: Shop, name: str) -> int:
    """The roll-up's count of the type ``name``, over all hours."""
    table = shop.address("ingestion", "counts-table-name")
    pages = shop.aws("dynamodb").get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
    return sum(int(item["events"]["N"]) for page in pages for item in page["Items"] if item.get("type") == {"S": name})

"""Invariants of voucher batches and redemptions."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from typing import Any

from tools import feeds
from tools.client import Shop
from tools.drivers import vouchers
from tools.drivers.invariants.violations import Violations, for_each
from tools.drivers.promises import Promises


def voucher_batches_are_complete_and_unique(shop: Shop, promises: Promises) -> Violations:
    """Each batch becomes COMPLETE, its file has the requested number of codes, and no code is in two batches."""
    admin = feeds.admin_session(shop)

    def batch_of(batch_id: str) -> dict[str, Any]:
        return shop.call("GET", f"{vouchers.PATH}/{batch_id}", headers=admin).raise_for_status().json()

    codes_by_batch: dict[str, list[str]] = {}

    def check(batch_id: str) -> Iterator[str]:
        batch, count = batch_of(batch_id), promises.batches[batch_id]
        if batch["status"] != "COMPLETE":
            yield f"voucher batch {batch_id} is {batch['status']} ({batch.get('reason')})"
            return
        content = file_of(shop, batch_id)
        codes = codes_by_batch[batch_id] = content.decode().split()
        promises.add_secrets(*codes)
        if len(codes) != count or batch["generated"] != count:
            yield f"voucher batch {batch_id} of {count} has {len(codes)} codes, and generated is {batch['generated']}"
        if hashlib.sha256(content).hexdigest() != batch["sha256"]:
            yield f"voucher batch {batch_id}: its file has another digest than the batch"

    violations = for_each(promises.batches, check)
    issued = Counter(code for codes in codes_by_batch.values() for code in codes)
    violations += [f"{count} vouchers are the same" for count in issued.values() if count > 1]
    statuses = {batch_id: batch_of(batch_id)["status"] for batch_id in promises.cancelled}
    return violations + [
        f"voucher batch {name} is {status}" for name, status in statuses.items() if status != "CANCELLED"
    ]


def file_of(shop: Shop, batch_id: str) -> bytes:
    """The file of a batch, read from the bucket: a link may work only once."""
    key = {"batch_id": {"S": batch_id}}
    table = shop.address("vouchers", "batches-table-name")
    item = shop.aws("dynamodb").get_item(TableName=table, Key=key, ConsistentRead=True)["Item"]
    bucket = shop.address("vouchers", "bucket-name")
    return shop.aws("s3").get_object(Bucket=bucket, Key=item["file_key"]["S"])["Body"].read()


def vouchers_are_redeemed_once(shop: Shop, promises: Promises) -> Violations:
    """Each redeemed voucher is spent for one order: repeating the request succeeds, another order is refused."""

    def check(code: str) -> Iterator[str]:
        path, number = f"/vouchers/v1/vouchers/{code}/redemptions", promises.redemptions[code]
        repeated = shop.call("POST", path, json={"order_number": number})
        other = shop.call("POST", path, json={"order_number": "T000000000"})
        if (repeated.status_code, other.status_code) != (200, 409):
            yield f"a voucher of {number}: repeated {repeated.status_code}, for another order {other.status_code}"

    return for_each(promises.redemptions, check)

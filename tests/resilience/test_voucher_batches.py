"""A batch whose workers are killed repeatedly produces the same file as an undisturbed run, byte for byte.

``SETPIECES_VOUCHERS`` is the number of vouchers (default 20,000; 1,000,000 takes some minutes).
"""

import hashlib
import os
import time
from functools import partial

import pytest

from local.cloud.processes import kill_workers
from tools.client import Shop, eventually
from tools.drivers.customers import session_headers
from tools.drivers.vouchers import create_batch, download_file, wait_for_batch

VOUCHERS = int(os.environ.get("SETPIECES_VOUCHERS", "20000"))
# Killed steps are retried after 2 s, 4 s ...; the rest is processing time.
TIMEOUT = 300 + VOUCHERS // 1000


@pytest.mark.timeout(TIMEOUT * 3)
def test_killing_workers_does_not_change_the_file(shop: Shop):
    admin = session_headers(shop, shop.samples["admin"])
    path = create_batch(shop, admin, count=VOUCHERS)
    batch_id = path.rpartition("/")[2]

    killed = 0
    for share in (0, 1 / 3, 2 / 3):
        eventually(partial(has_generated, shop, batch_id, share * VOUCHERS), timeout=TIMEOUT, every=0.05)
        killed += kill_workers()
    assert killed
    disturbed = wait_for_batch(shop, admin, path, timeout=TIMEOUT)
    content = download_file(disturbed)
    codes = content.decode().split()
    assert len(codes) == len(set(codes)) == VOUCHERS

    # Run again from the start with the same numbers and key, without faults.
    reset_batch(shop, batch_id)
    shop.aws("stepfunctions").start_execution(
        stateMachineArn=shop.address("vouchers", "state-machine-arn"),
        name=f"{batch_id}-again",
        input=f'{{"batch_id": "{batch_id}", "correlation_id": "again-{int(time.time())}"}}',
    )
    eventually(lambda: get_batch(shop, batch_id)["status"]["S"] != "FAILED")
    undisturbed = wait_for_batch(shop, admin, path, timeout=TIMEOUT)
    assert undisturbed["sha256"] == disturbed["sha256"] == hashlib.sha256(download_file(undisturbed)).hexdigest()
    assert download_file(undisturbed) == content


def has_generated(shop: Shop, batch_id: str, minimum: float) -> bool:
    """True if the batch is in progress and at least ``minimum`` vouchers are stored."""
    item = get_batch(shop, batch_id)
    return item["status"]["S"] != "PENDING" and 5_000 * len(item.get("chunks_done", {}).get("NS", [])) >= minimum


def get_batch(shop: Shop, batch_id: str) -> dict:
    table = shop.address("vouchers", "batches-table-name")
    response = shop.aws("dynamodb").get_item(TableName=table, Key={"batch_id": {"S": batch_id}}, ConsistentRead=True)
    return response["Item"]


def reset_batch(shop: Shop, batch_id: str) -> None:
    """Remove the progress and results of a batch; keep its numbers."""
    shop.aws("dynamodb").update_item(
        TableName=shop.address("vouchers", "batches-table-name"),
        Key={"batch_id": {"S": batch_id}},
        UpdateExpression="SET #status = :failed REMOVE chunks_done, file_key, sha256, #bytes",
        ExpressionAttributeNames={"#status": "status", "#bytes": "bytes"},
        ExpressionAttributeValues={":failed": {"S": "FAILED"}},
    )

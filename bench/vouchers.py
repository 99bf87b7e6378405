"""Vouchers: codes against random ones, and batches against bare writes of the same items.

Targets: codes at least 5 times as fast as random ones from ``secrets`` with a set against collisions; a million vouchers in at
most 1.3 times the time of a bare ``BatchWriteItem`` loop of a role for the same items; memory does not grow.
``SETPIECES_BENCH_VOUCHERS`` (default 1000,10000,100000,1000000) are the sizes.
"""

import json
import os
import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
from botocore.config import Config

from bench.report import Verdict, report
from local.cloud.memory import Memory
from model.settings import REGION
from tools.client import Shop, unique
from tools.drivers.customers import session_headers
from tools.drivers.vouchers import create_batch, wait_for_batch

# Memory may grow up to this size, and not beyond.
GROWTH = "the file is stored in parts of 8 MB; a smaller file is in memory as a whole"
COUNTS = [int(count) for count in os.environ.get("SETPIECES_BENCH_VOUCHERS", "1000,10000,100000,1000000").split(",")]
CODES = 200_000
RUNS = 5
WRITERS = 8
TARGET, FLAT = 1.3, 1.2
FUNCTIONS = tuple(f"vouchers-{name}" for name in ("create-batch", "lease-range", "generate-chunk", "store-file"))


def run() -> None:
    _codes()
    _batches(Shop.from_environment())


def _codes() -> None:
    """Compare the best of alternating runs, so that other load affects both."""
    from vouchers.domain import codes as codes_module
    from vouchers.domain.chunks import CHUNK_SIZE
    from vouchers.domain.permutation import Permutation
    from vouchers.domain.tags import make_tags

    def ours() -> None:
        permutation = Permutation(bytes(32), codes_module.RADIX, codes_module.HALF)
        for first in range(1, CODES, CHUNK_SIZE):
            tags = make_tags(bytes(32), first, CHUNK_SIZE)
            codes_module.make_codes(permutation, 1, first, CHUNK_SIZE, tags)

    def drawn() -> None:
        codes: set[str] = set()
        while len(codes) < CODES:
            codes.add("".join(secrets.choice(codes_module.ALPHABET) for _ in range(codes_module.LENGTH)))

    pairs = [(_seconds(ours), _seconds(drawn)) for _ in range(RUNS)]
    permuted, random = (min(times) for times in zip(*pairs, strict=True))
    rows: list[dict[str, Any]] = [
        {"codes": "permuted numbers", "per second": round(CODES / permuted), "times random": random / permuted},
        {"codes": "random, with a set", "per second": round(CODES / random), "times random": 1.0},
    ]
    ratio = random / permuted
    verdict = Verdict(
        "Voucher codes, against random ones of `secrets` with a collision set",
        "≥ 5 x faster, unique by construction",
        f"{ratio:.1f} x, a permutation of numbers",
        ratio >= 5,
    )
    report("voucher_codes", f"{CODES:,} codes in chunks of {CHUNK_SIZE:,}, best of {RUNS}", rows, [verdict])


def _seconds(work: Callable[[], None]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def _batches(shop: Shop) -> None:
    admin = session_headers(shop, shop.samples["admin"])
    wait_for_batch(shop, admin, create_batch(shop, admin, count=1))
    rows = []
    for count in COUNTS:
        with Memory(FUNCTIONS) as memory:
            started = time.perf_counter()
            batch = wait_for_batch(shop, admin, create_batch(shop, admin, count=count), timeout=1800)
            ours = time.perf_counter() - started
        bare = _bare(shop, count, batch["batch_id"])
        rows.append(
            {
                "vouchers": count,
                "seconds": ours,
                "per second": round(count / ours),
                "bare writes s": bare,
                "ratio": ours / bare,
                **{f"{function.removeprefix('vouchers-')} MB": memory.peak.get(function, 0) for function in FUNCTIONS},
            }
        )
    report(
        "vouchers",
        f"From POST to COMPLETE against {WRITERS} threads of bare BatchWriteItem, and the peak memory of each function",
        rows,
        _verdicts(rows),
    )


def _verdicts(rows: list[dict[str, Any]]) -> list[Verdict]:
    most, ratio = rows[-1], rows[-1]["ratio"]
    flat = [name for name in most if name.endswith(" MB")]
    measured = [name for name in flat if len(rows) > 1 and rows[-2][name]]
    grown = max((most[name] / rows[-2][name] for name in measured), default=float("nan"))
    return [
        Verdict(
            f"{most['vouchers']:,} vouchers end to end, against bare BatchWriteItem of the same items",
            f"done, ≤ {TARGET} x the time",
            f"done, {ratio:.2f} x",
            ratio <= TARGET,
            "" if ratio <= TARGET else "workers, emulator and workflow share the machine's cores",
        ),
        Verdict(
            "Memory of the voucher functions at ten times the vouchers",
            f"flat (≤ {FLAT} x)",
            f"{grown:.2f} x at {most['vouchers']:,}, {max(most[name] for name in flat)} MB at most",
            grown <= FLAT,
            ("" if grown <= FLAT else GROWTH) if measured else "too few sizes took long enough to measure memory",
        ),
    ]


def _bare(shop: Shop, count: int, batch_id: str) -> float:
    """Seconds to write the same items to a table of their own, by a role: root's requests are not authorized by policies."""
    root = shop.aws("dynamodb")
    table = unique("bench")
    root.create_table(
        TableName=table,
        AttributeDefinitions=[{"AttributeName": "code", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "code", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    arn = root.describe_table(TableName=table)["Table"]["TableArn"]
    writer = _writer(shop, table, arn).client(
        "dynamodb", endpoint_url=shop.endpoint, config=Config(max_pool_connections=WRITERS)
    )

    def write(first: int) -> None:
        items = [
            {"code": {"S": f"{number:014}"}, "batch_id": {"S": batch_id}, "purge_at": {"N": "1900000000"}}
            for number in range(first, min(first + 25, count))
        ]
        writer.batch_write_item(RequestItems={table: [{"PutRequest": {"Item": item}} for item in items]})

    try:
        with ThreadPoolExecutor(WRITERS) as writers:
            started = time.perf_counter()
            list(writers.map(write, range(0, count, 25)))
            return time.perf_counter() - started
    finally:
        root.delete_table(TableName=table)


def _writer(shop: Shop, name: str, table: str) -> boto3.Session:
    """A session of a role that may only write to ``table``."""
    account = shop.aws("sts").get_caller_identity()["Account"]
    trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{account}:root"}, "Action": "sts:AssumeRole"}
    grant = {"Effect": "Allow", "Action": "dynamodb:BatchWriteItem", "Resource": table}
    version = {"Version": "2012-10-17"}
    role = shop.aws("iam").create_role(
        RoleName=name, AssumeRolePolicyDocument=json.dumps(version | {"Statement": [trust]})
    )
    shop.aws("iam").put_role_policy(
        RoleName=name, PolicyName="write", PolicyDocument=json.dumps(version | {"Statement": [grant]})
    )
    keys = shop.aws("sts").assume_role(RoleArn=role["Role"]["Arn"], RoleSessionName="bench")["Credentials"]
    return boto3.Session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"], region_name=REGION)

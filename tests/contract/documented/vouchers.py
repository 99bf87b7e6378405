"""Numbers of the pages of vouchers."""

import math

from setpieces import batches
from tests.contract.documented.sources import About, Facts, calls, functions, receives, resource, state_machine, waits
from tests.contract.quantities import DAY, MINUTE
from vouchers import requests
from vouchers.domain import chunks, codes, links, permutation, times
from vouchers.repository import files, redemptions
from vouchers.workflow import sweep

A_MILLION = requests.MAX_COUNT
NEW_TABLE = "AWS: a new on-demand table, docs/capacity-and-cost.md"
# The sweeper runs every minute.
START_SECONDS = (sweep.WITHOUT_EXECUTION_MINUTES + 1) * MINUTE

FACTS: Facts = {
    "docs/set-pieces/vouchers.md": {
        "GenerateChunks ({} each, {} at a time)": (
            chunks.CHUNK_SIZE,
            state_machine("generate-vouchers")["States"]["GenerateChunks"]["MaxConcurrency"],
        ),
        "requests one to {} vouchers": A_MILLION,
        "`valid_to` at most {} ahead": times.MAX_YEARS * 365 * DAY,
        "key's version, {} for a number": 2 * codes.HALF,
        "one of {} *gates*": redemptions.GATES,
        "starts it within {}; it restarts a batch without progress for {} {} times": (
            START_SECONDS,
            sweep.IN_PROGRESS_MINUTES * MINUTE,
            sweep.MAX_ATTEMPTS,
        ),
        "it is retried for {}, then": About(waits(receives("vouchers-notifications"))),
        "only one file, for {} at most": links.MAX_LINK_SECONDS,
        "a signed link of {};": links.EXCHANGED_LINK_SECONDS,
        "chunk of {} | GetItem, BatchWriteItem {},": (chunks.CHUNK_SIZE, chunks.CHUNK_SIZE / batches.MOST_WRITES),
        "{} | {} BatchWriteItem in {} chunks, {} objects, {} parts of {}": (
            A_MILLION,
            A_MILLION / batches.MOST_WRITES,
            A_MILLION / chunks.CHUNK_SIZE,
            A_MILLION / chunks.CHUNK_SIZE,
            "an estimate: 24 MB and some",
            files.PART_BYTES,
        ),
        "look up · redeem | GetItem {} · GetItem {}, TransactWriteItems {} of {} items": (
            calls("look up a voucher", "vouchers", "dynamodb:GetItem"),
            "the voucher, its batch and its redemption",
            calls("redeem a voucher", "vouchers", "dynamodb:TransactWriteItems"),
            "the redemption and the gate",
        ),
        "redeem · release | GetItem {}, TransactWriteItems 1 of {} items · GetItem {}, UpdateItem": (
            "the voucher, its batch and its reservation",
            "the reservation, the gate and the tombstone",
            "the voucher, its batch and its reservation",
        ),
        "stores a *tombstone* for {}": redemptions.TOMBSTONE_DAYS * DAY,
        "| cancel | UpdateItem 1, PutItem {}, DeleteObject": redemptions.GATES,
        "streamed in parts of {}": files.PART_BYTES,
        "allows some {} writes a second, so the first million takes some {};": (NEW_TABLE, About(A_MILLION / 4000)),
        "{} functions with a role each": len(functions("vouchers")),
        "`work/` for {},": DAY
        * resource("vouchers", "Bucket", "LifecycleConfiguration", "Rules", 0, "ExpirationInDays"),
        "in that mail within {} (": "AWS: SES, the link that confirms an address",
        "about {} writes, {} chunks of functions": (A_MILLION, A_MILLION / chunks.CHUNK_SIZE),
    },
    "docs/decisions/0005-vouchers-mail-through-ses.md": {
        "The quota is {} mails a second": "AWS: mails of SNS",
        "run's history for {}": "AWS: the history of an execution",
        "valid for {} at most.": links.MAX_LINK_SECONDS,
        "A lifetime of {}": "an alternative that was not chosen",
    },
    "docs/decisions/0006-voucher-codes-are-a-permutation.md": {
        "A batch has up to {} codes": A_MILLION,
        "written with {} symbols": codes.RADIX,
        "a tag of {} bits": int(math.log2(codes.TAGS)),
        "sum of the code 0 modulo {}. {} is a prime": (codes.RADIX, codes.RADIX),
        "calls AES {} times for {} numbers": (permutation.ROUNDS, chunks.CHUNK_SIZE),
        "{} single writes instead of {} batches": (A_MILLION, A_MILLION / batches.MOST_WRITES),
        "{} characters are too long": "the length of a UUID",
        "in the layer ({})": "a measurement",
    },
    "docs/runbooks/failed-voucher-batch.md": {
        "initially allows {} writes": NEW_TABLE,
        "step {} generates": "a step of the page",
        "no progress for {}, {} times": (sweep.IN_PROGRESS_MINUTES * MINUTE, sweep.MAX_ATTEMPTS),
    },
    "docs/runbooks/voucher-key-rotation.md": {
        "## {}": "advice",
        "there are {} versions": codes.KEY_VERSIONS,
    },
}

"""Outcomes of records, in the accounts table, as sets of record numbers: recording one twice changes nothing.

A record is identified by its number in its feed, from 0. There is an item for every ``CHUNK`` numbers of a run:

    {part: "<run>/<chunk>", updated: {0, 1, ...}, unchanged: {...}, stale: {...}, "failed:<REASON>": {...}, purge_at}

Numbers are added to sets, never removed. See ``domain.outcomes`` for records in several sets.
"""

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from feeds.domain.outcomes import Counts, count_outcomes
from setpieces import dynamodb
from setpieces.aws import client
from setpieces.batches import read_batches
from setpieces.dynamodb_types import from_item
from setpieces.settings import setting

CHUNK = 500
READ_SECONDS = 30


def add(run: str, outcomes: Mapping[int, str], purge_at: int) -> None:
    """Record the outcomes of records by their numbers; ``purge_at`` (epoch seconds) is when the items expire."""
    chunks: dict[int, dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
    for number, outcome in outcomes.items():
        chunks[number // CHUNK][outcome].add(number)
    for chunk, sets in chunks.items():
        dynamodb.update_if(
            setting("ACCOUNTS_TABLE_NAME"), {"part": f"{run}/{chunk}"}, set={"purge_at": purge_at}, add=sets
        )


def count(run: str, records: int) -> Counts:
    """The counts of the first ``records`` records of a run. Raises ``TableBusy``."""
    return count_outcomes(_load_chunks(run, records))


def _load_chunks(run: str, records: int) -> Iterator[dict[str, Any]]:
    keys = [{"part": {"S": f"{run}/{chunk}"}} for chunk in range(-(-records // CHUNK))]
    deadline = time.monotonic() + READ_SECONDS
    for item in read_batches(client("dynamodb"), setting("ACCOUNTS_TABLE_NAME"), keys, deadline):
        yield from_item(item)

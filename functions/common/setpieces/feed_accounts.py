"""What became of every record of a feed, counted so that saying it twice changes nothing.

A record is known by its number in its feed, from 0. The accounts table has an item for every ``CHUNK`` numbers of one run:

    {part: "<run>/<chunk>", updated: {0, 1, ...}, unchanged: {...}, stale: {...}, "failed:<REASON>": {...}, purge_at}

Numbers are only ever added to sets. A record that is in several counts once, for the first of ``OUTCOMES``: who was failed and
then redriven is updated, and who was updated and then delivered again is not unchanged.
"""

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from setpieces import dynamodb
from setpieces.aws import client
from setpieces.batches import read_batches
from setpieces.dynamodb_types import from_item
from setpieces.settings import setting

CHUNK = 500
UPDATED, UNCHANGED, STALE, FAILED = OUTCOMES = ("updated", "unchanged", "stale", "failed")
READ_SECONDS = 30


def failed_outcome(reason: str) -> str:
    """The outcome of a record that was given up for ``reason``."""
    return f"{FAILED}:{reason}"


def record_outcomes(run: str, outcomes: Mapping[int, str], purge_at: int) -> None:
    """Enter the outcomes of records by their numbers; ``purge_at`` (epoch seconds) is when the accounts may go."""
    chunks: dict[int, dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
    for number, outcome in outcomes.items():
        chunks[number // CHUNK][outcome].add(number)
    for chunk, sets in chunks.items():
        dynamodb.update_if(
            setting("ACCOUNTS_TABLE_NAME"), {"part": f"{run}/{chunk}"}, set={"purge_at": purge_at}, add=sets
        )


def count_outcomes(run: str, records: int) -> dict[str, Any]:
    """{updated, unchanged, stale, failed, reasons: {REASON: n}} of a run of ``records`` records so far."""
    total: dict[str, Any] = dict.fromkeys(OUTCOMES, 0) | {"reasons": {}}
    for chunk in _chunks(run, records):
        counted: set[int] = set()
        for outcome, numbers in sorted(chunk.items(), key=lambda entry: _rank(entry[0])):
            new = numbers - counted
            counted |= new
            name, _, reason = outcome.partition(":")
            total[name] += len(new)
            if reason and new:
                total["reasons"][reason] = total["reasons"].get(reason, 0) + len(new)
    return total


def _rank(outcome: str) -> tuple[int, str]:
    return OUTCOMES.index(outcome.partition(":")[0]), outcome


def _chunks(run: str, records: int) -> Iterator[dict[str, set[int]]]:
    """The sets of every item of the run."""
    table = setting("ACCOUNTS_TABLE_NAME")
    keys = [{"part": {"S": f"{run}/{chunk}"}} for chunk in range(-(-records // CHUNK))]
    for item in read_batches(client("dynamodb"), table, keys, time.monotonic() + READ_SECONDS):
        # Outcomes that a newer version has entered are left to it: until then those records are pending.
        yield {name: value for name, value in from_item(item).items() if name.partition(":")[0] in OUTCOMES}

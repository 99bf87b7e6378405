"""One stretch of a feed: its records judged, passed on to the queue or entered in the error file, until the time is up."""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from feeds.clients.queue import Outbox
from feeds.domain.errors import ErrorFile
from feeds.domain.reader import Rejection, Unreadable
from feeds.domain.records import checked
from setpieces.observability import logger
from setpieces.stored import from_stored

# Of one stretch: its error file has to fit on the disk, and a feed with as many is no feed of this type.
MAX_REJECTED = 1_000_000
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Feed:
    """A run of a feed: one upload is one run, so a run that is repeated sends what it sent before."""

    feed_id: str
    type: str
    run: str
    purge_at: int

    def message(self, number: int, record: dict[str, Any]) -> dict[str, Any]:
        facts = {"feed_id": self.feed_id, "type": self.type, "run": self.run, "purge_at": self.purge_at}
        return facts | {"number": number, "record": record}


@dataclass(frozen=True)
class Stretch:
    """What became of the records from ``first`` up to, not including, ``end``; ``done`` if no more follow.

    ``unreadable`` is why reading ended before the feed did.
    """

    first: int
    end: int
    rejected: int
    reasons: dict[str, int]
    error_key: str
    done: bool
    unreadable: str = ""


def feed_id(key: str) -> str:
    """The id of the feed uploaded as ``<type>/in/yyyy/mm/dd/<feed_id>[.json][.gz]``; made up where no feed can have that."""
    stem = re.sub(r"(\.(json|ndjson|jsonl))?(\.gz)?$", "", PurePosixPath(key).name)
    return stem if _ID.fullmatch(stem) else hashlib.sha256(key.encode()).hexdigest()[:24]


def run_id(key: str, sequencer: str) -> str:
    """The id of the run over the upload under ``key`` with this sequencer.

    Not over its content: accounts of a run hold the outcomes of the records of one upload, and content that is put again after
    other content has to be passed on again. (Nor would the entity tag tell: of objects encrypted by KMS it is no digest.)
    """
    return hashlib.sha256(f"{key}/{sequencer}".encode()).hexdigest()[:24]


def transform(
    feed: Feed,
    records: Iterator[dict[str, Any] | Rejection],
    first: int,
    time_left: Callable[[], bool],
) -> Stretch:
    """Pass on the records from number ``first``, as long as there is ``time_left``, or at least one.

    Raises what sending and reading raise; then nothing of it is accounted for.
    """
    end, done, unreadable = 0, True, ""
    with Outbox() as outbox, ErrorFile() as errors:
        try:
            for record in records:
                # At every record: what lies between two of them may take seconds to read.
                if end and not time_left():
                    if end <= first:
                        raise Unreadable(
                            "FEED_TOO_LARGE", f"reading up to record {first} takes longer than a function has"
                        )
                    done = False
                    break
                if end >= first:
                    judged = record if isinstance(record, Rejection) else checked(feed.type, record)
                    if isinstance(judged, Rejection):
                        if errors.count == MAX_REJECTED:
                            raise Unreadable("TOO_MANY_REJECTED", f"more than {MAX_REJECTED} records")
                        errors.add(end, judged)
                    else:
                        outbox.add(feed.message(end, judged))
                end += 1
        except Unreadable as error:
            logger.warning("feed ends early", extra={"feed_id": feed.feed_id, "reason": error.reason})
            end, unreadable = max(first, end), str(error)
        # Another invocation that reads from the same record on may end at another one: that is another file.
        errors.key = f"{feed.type}/errors/{feed.feed_id}/{feed.run}-{first:010d}-{end:010d}.ndjson.gz"
    return Stretch(first, end, errors.count, errors.reasons, errors.key if errors.count else "", done, unreadable)


def walk(stretches: dict[str, dict[str, Any]]) -> list[Stretch]:
    """The stretches that lead from the first record to the last, by their first numbers."""
    way: list[Stretch] = []
    at = "0"
    while at in stretches:
        way.append(from_stored(Stretch, stretches[at]))
        at = "" if way[-1].done else str(way[-1].end)
    return way


def summary(way: list[Stretch]) -> dict[str, Any]:
    """{received, transformed, rejected, reasons, error_keys, unreadable?} of a whole feed."""
    rejected = sum(stretch.rejected for stretch in way)
    reasons: Counter[str] = Counter()
    for stretch in way:
        reasons.update(stretch.reasons)
    return {
        "received": way[-1].end,
        "transformed": way[-1].end - rejected,
        "rejected": rejected,
        "rejected_reasons": dict(reasons),
        "error_keys": [stretch.error_key for stretch in way if stretch.error_key],
        "unreadable": way[-1].unreadable or None,
    }

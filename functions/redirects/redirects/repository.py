"""The rules in use: from S3, kept in memory and in a file of /tmp, asked for again as they get old.

``rules()`` never fails. S3 is asked at most once in ``refresh_seconds``, whether the file has changed; while it gives no usable
answer, the rules stay as they are. A new process of the same environment begins with the file of the last one, so that S3 need
not answer then either. One request is handled at a time, so nothing is locked; but a process can end at any moment, so the file
is replaced in one step.
"""

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from redirects.domain.rules import BadRule, RuleSet
from setpieces.observability import logger, metrics

# Soon enough for who publishes, and no request more than one in so many waits for a store that does not answer.
RETRY_SECONDS = 5


@dataclass(frozen=True)
class Content:
    """A version of the rule file: ``etag`` as S3 has it, quotes included."""

    etag: str
    body: bytes


class Unusable(Exception):
    """What is in the store is no rule file."""


class Read(Protocol):
    def __call__(self, known: str | None) -> Content | None:
        """The rule file, None if it still is ``known``. Raises ``BotoCoreError`` or ``ClientError``."""


def read_from(s3: Any, bucket: str, key: str) -> Read:
    """A ``Read`` of an object of S3."""

    def read(known: str | None) -> Content | None:
        condition = {"IfNoneMatch": known} if known else {}
        try:
            answer = s3.get_object(Bucket=bucket, Key=key, **condition)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 304:
                return None
            raise
        return Content(answer["ETag"], answer["Body"].read())

    return read


class RuleStore:
    """``compiled`` makes rules of a rule file; ``clock`` gives seconds."""

    def __init__(
        self,
        read: Read,
        compiled: Callable[[dict[str, Any]], RuleSet],
        file: Path,
        refresh_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read, self._compiled, self._file, self._clock = read, compiled, file, clock
        self._refresh_seconds = refresh_seconds
        self._rules: RuleSet | None = None
        self._etag: str | None = None
        self._confirmed_at = clock()
        self._ask_at: float | None = None

    def rules(self) -> RuleSet | None:
        """The rules in use, None if there never were any."""
        if self._ask_at is None:
            self._begin_with_the_file()
        if self._ask_at is None or self._clock() >= self._ask_at:
            self._refresh()
        return self._rules

    def _begin_with_the_file(self) -> None:
        try:
            etag, _, body = self._file.read_bytes().partition(b"\n")
            self._take(Content(etag.decode(), body))
        except (OSError, ValueError, Unusable):
            return

    def _refresh(self) -> None:
        try:
            content = self._read(self._etag)
            if content:
                self._take(content)
                self._keep(content)
        except (BotoCoreError, ClientError, Unusable) as error:
            logger.warning("the rules stay as they are", extra={"reason": str(error), "rules": self._etag})
            metrics.add_metric(name="RulesNotRefreshed", unit="Count", value=1)
            self._ask_at = self._clock() + min(RETRY_SECONDS, self._refresh_seconds)
        else:
            self._confirmed_at = self._clock()
            self._ask_at = self._confirmed_at + self._refresh_seconds
        metrics.add_metric(name="RulesAge", unit="Seconds", value=int(self._clock() - self._confirmed_at))

    def _take(self, content: Content) -> None:
        try:
            self._rules = self._compiled(json.loads(content.body))
        except (BadRule, ValueError, LookupError, TypeError, AttributeError) as error:
            raise Unusable(str(error)) from error
        self._etag = content.etag

    def _keep(self, content: Content) -> None:
        partial = self._file.with_suffix(f".{os.getpid()}")
        try:
            partial.write_bytes(content.etag.encode() + b"\n" + content.body)
            partial.replace(self._file)
        except OSError as error:
            logger.warning("the rules could not be kept in a file", extra={"reason": str(error)})

"""The rules in use: from S3, cached in memory and in a file of /tmp.

S3 is read once in ``refresh_seconds``, with ``If-None-Match``; while it is unavailable or its rule file is invalid, the last
valid rules stay in use. A new process of the same environment begins with the file of the last one, so it does not depend on S3
either. One request is handled at a time, so nothing is locked; but a process can end at any moment, so the file is replaced
atomically.
"""

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from redirects.domain.compiler import InvalidRule
from redirects.domain.rules import RuleSet
from setpieces.observability import logger, metrics

# After a failed refresh: while S3 is unavailable, one request in this time waits for it.
RETRY_SECONDS = 5


@dataclass(frozen=True)
class RuleFile:
    """A version of the rule file; ``etag`` is S3's, with its quotes."""

    etag: str
    body: bytes


class InvalidRuleFile(Exception):
    """The content of a rule file cannot be used."""


class ReadRuleFile(Protocol):
    def __call__(self, etag: str | None) -> RuleFile | None:
        """Return the rule file, None if it still has this ``etag``. Raises ``BotoCoreError`` or ``ClientError``."""


def s3_reader(s3: Any, bucket: str, key: str) -> ReadRuleFile:
    """Return a function that reads the rule file from an object of S3."""

    def read(etag: str | None) -> RuleFile | None:
        condition = {"IfNoneMatch": etag} if etag else {}
        try:
            response = s3.get_object(Bucket=bucket, Key=key, **condition)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 304:
                return None
            raise
        return RuleFile(response["ETag"], response["Body"].read())

    return read


class RuleStore:
    """Loads rules with ``read`` and ``compile_rules``, and caches them in memory and in ``file``; ``clock`` returns seconds."""

    def __init__(
        self,
        read: ReadRuleFile,
        compile_rules: Callable[[dict[str, Any]], RuleSet],
        file: Path,
        refresh_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read, self._compile, self._file, self._clock = read, compile_rules, file, clock
        self._refresh_seconds = refresh_seconds
        self._rules: RuleSet | None = None
        self._etag: str | None = None
        self._confirmed_at = clock()
        self._refresh_at: float | None = None

    def load_rules(self) -> RuleSet | None:
        """Return the rules in use, None if none were ever loaded. Raises no errors of S3, of the rules or of the file."""
        if self._refresh_at is None:
            self._use_cached_file()
        if self._refresh_at is None or self._clock() >= self._refresh_at:
            self._refresh()
        return self._rules

    def _use_cached_file(self) -> None:
        try:
            etag, _, body = self._file.read_bytes().partition(b"\n")
            self._use(RuleFile(etag.decode(), body))
        except (OSError, ValueError, InvalidRuleFile):
            return

    def _refresh(self) -> None:
        try:
            rule_file = self._read(self._etag)
            if rule_file:
                self._use(rule_file)
                self._write_cached_file(rule_file)
        except (BotoCoreError, ClientError, InvalidRuleFile) as error:
            logger.warning("rules not refreshed", extra={"reason": str(error), "rules": self._etag})
            metrics.add_metric(name="RulesNotRefreshed", unit="Count", value=1)
            self._refresh_at = self._clock() + min(RETRY_SECONDS, self._refresh_seconds)
        else:
            self._confirmed_at = self._clock()
            self._refresh_at = self._confirmed_at + self._refresh_seconds
        metrics.add_metric(name="RulesAge", unit="Seconds", value=int(self._clock() - self._confirmed_at))

    def _use(self, rule_file: RuleFile) -> None:
        try:
            self._rules = self._compile(json.loads(rule_file.body))
        except (InvalidRule, ValueError, LookupError, TypeError, AttributeError) as error:
            raise InvalidRuleFile(str(error)) from error
        self._etag = rule_file.etag

    def _write_cached_file(self, rule_file: RuleFile) -> None:
        partial = self._file.with_suffix(f".{os.getpid()}")
        try:
            partial.write_bytes(rule_file.etag.encode() + b"\n" + rule_file.body)
            partial.replace(self._file)
        except OSError as error:
            logger.warning("rules not cached in a file", extra={"reason": str(error)})

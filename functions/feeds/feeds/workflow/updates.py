"""Sends a batch of records to the commerce platform in one request, and records their outcomes."""

import random
from collections import defaultdict
from typing import NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from feeds.clients import platform
from feeds.domain.outcomes import (
    PLATFORM_UNAVAILABLE,
    Deferred,
    Failed,
    Processed,
    Result,
    evaluate_result,
    failed_outcome,
    retry_or_fail,
)
from feeds.repository import record_outcomes
from feeds.requests.records import UpdateRecord, parse_update_record
from setpieces.errors import ExternalUnavailable, PermanentFailure
from setpieces.observability import logger, metrics
from setpieces.settings import setting
from setpieces.sqs_consumer import Record as Message
from setpieces.sqs_consumer import defer, send_to_dlq


class BatchResult(NamedTuple):
    """The ids of the messages to be delivered again, and whether the platform responded."""

    retry_ids: list[str]
    platform_responded: bool


def update_platform(messages: list[Message]) -> BatchResult:
    """Send the records of a batch, move failed ones to the dead-letter queue, defer those to be retried, and record outcomes.

    Raises errors of AWS if outcomes are not recorded: then the whole batch is delivered again. Recording is idempotent, and a
    record that the platform has stored already counts as ``unchanged``.
    """
    batch = [(message, command) for message in messages if (command := _parse_or_reject(message))]
    results, platform_responded = _send(batch)
    outcomes: dict[tuple[str, int], dict[int, str]] = defaultdict(dict)
    retry_ids = []
    for (message, command), result in zip(batch, results, strict=True):
        outcome = _fail_or_defer(message, result)
        if outcome is None:
            retry_ids.append(message.message_id)
        else:
            outcomes[command.run, command.purge_at][command.number] = outcome
    for (run, purge_at), run_outcomes in outcomes.items():
        record_outcomes.add(run, run_outcomes, purge_at)
    _publish_counts(results)
    return BatchResult(retry_ids, platform_responded)


def _parse_or_reject(message: Message) -> UpdateRecord | None:
    """The command of a message; None if it is invalid and now a dead letter."""
    try:
        return parse_update_record(message, setting("FEED_TYPE"))
    except PermanentFailure as failure:
        send_to_dlq(message, failure)
        return None


def _send(batch: list[tuple[Message, UpdateRecord]]) -> tuple[list[Result], bool]:
    """(the result of each record, whether the platform responded)."""
    if not batch:
        return [], True
    try:
        results = platform.send_updates(setting("FEED_TYPE"), [command.record for _, command in batch])
    except PermanentFailure as failure:
        return [Failed(failure.reason, failure.detail) for _ in batch], True
    except ExternalUnavailable as error:
        logger.warning("platform unavailable", extra={"reason": str(error)})
        metrics.add_metric(name="PlatformUnavailable", unit="Count", value=1)
        retry_after = error.retry_after or 0
        return [retry_or_fail(PLATFORM_UNAVAILABLE, message.receive_count, retry_after) for message, _ in batch], False
    return [
        evaluate_result(result, message.receive_count) for (message, _), result in zip(batch, results, strict=True)
    ], True


def _fail_or_defer(message: Message, result: Result) -> str | None:
    """Send a failed message to the dead-letter queue, or defer one to be retried.

    Returns the outcome to record; None if the message is to be delivered again.
    """
    match result:
        case Processed(outcome):
            return outcome
        case Failed(reason, detail):
            try:
                send_to_dlq(message, PermanentFailure(reason, detail))
            except (BotoCoreError, ClientError):
                # Only this message is delivered again: if all were, those that are updated now would count as unchanged.
                logger.exception("message not sent to dead-letter queue", extra={"message_id": message.message_id})
                return None
            return failed_outcome(reason)
        case Deferred(seconds, detail):
            # With jitter: messages that were deferred together would be delivered together.
            defer(message, seconds + random.randrange(1 + seconds // 4), detail)
            return None


def _publish_counts(results: list[Result]) -> None:
    metrics.add_dimension(name="feed", value=setting("FEED_TYPE"))
    for kind, name in {Processed: "Updated", Failed: "Failed", Deferred: "PutOff"}.items():
        if number := sum(isinstance(result, kind) for result in results):
            metrics.add_metric(name=name, unit="Count", value=number)

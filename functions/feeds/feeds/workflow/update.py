"""A batch of records brought to the commerce platform in one request, and entered in the accounts of their feeds."""

import random
from collections import defaultdict
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from feeds.domain.verdicts import Done, GiveUp, Verdict, Wait, patience, verdict
from setpieces import external, feed_accounts
from setpieces.errors import ExternalUnavailable, PermanentFailure
from setpieces.observability import logger, metrics
from setpieces.settings import setting
from setpieces.sqs_consumer import Record, defer, parse_body, send_to_dlq

# Of the function's 20 s; the rest is for the accounts and for putting off.
CALL_SECONDS = 10.0
_MESSAGE = {"feed_id": str, "type": str, "run": str, "number": int, "purge_at": int, "record": dict}


def update(records: list[Record]) -> tuple[list[str], bool]:
    """Carry out a batch: (ids of the messages to be delivered again, whether the platform gave an answer).

    The accounts are entered before a message is done, and they bear repetition: a crash changes no sum. If it comes between
    the platform's write and the accounts, the next delivery finds the platform's version and counts ``unchanged``.
    """
    messages = {record.message_id: message for record in records if (message := _message(record))}
    known = [record for record in records if record.message_id in messages]
    verdicts, answered = _ask(known, [messages[record.message_id]["record"] for record in known])
    outcomes: dict[tuple[str, int], dict[int, str]] = defaultdict(dict)
    waiting = []
    for record, found in zip(known, verdicts, strict=True):
        message = messages[record.message_id]
        account = outcomes[message["run"], message["purge_at"]]
        match found:
            case Done(outcome):
                account[message["number"]] = outcome
            case GiveUp(reason, detail):
                try:
                    send_to_dlq(record, PermanentFailure(reason, detail))
                except (BotoCoreError, ClientError):
                    # This record comes back. If it took the batch with it, what is done would be counted as unchanged.
                    logger.exception("not buried", extra={"message_id": record.message_id})
                    waiting.append(record.message_id)
                    continue
                account[message["number"]] = feed_accounts.failed_outcome(reason)
            case Wait(seconds, detail):
                # Not all at once: who was put off together would come back together.
                defer(record, seconds + random.randrange(1 + seconds // 4), detail)
                waiting.append(record.message_id)
    for (run, purge_at), noted in outcomes.items():
        if noted:
            feed_accounts.record_outcomes(run, noted, purge_at)
    _count(verdicts)
    return waiting, answered


def _message(record: Record) -> dict[str, Any] | None:
    """The message; None if it is none of ours, which is told and put aside."""
    try:
        message = parse_body(record)
        if not all(type(message.get(name)) is kind for name, kind in _MESSAGE.items()):
            raise PermanentFailure("INVALID_MESSAGE", "not a message of a feed")
        if message["type"] != setting("FEED_TYPE"):
            raise PermanentFailure("INVALID_MESSAGE", "of another feed type")
    except PermanentFailure as failure:
        send_to_dlq(record, failure)
        return None
    return message


def _ask(records: list[Record], updates: list[dict[str, Any]]) -> tuple[list[Verdict], bool]:
    if not updates:
        return [], True
    try:
        answer = external.call(
            "commerce", "POST", "product-updates", setting("FEED_TYPE"), body={"updates": updates}, timeout=CALL_SECONDS
        )
        if answer.status != 200:
            return [GiveUp(f"HTTP_{answer.status}", "the platform refused the request") for _ in records], True
        results = answer.body.get("results") if isinstance(answer.body, dict) else None
        if not isinstance(results, list) or len(results) != len(updates):
            raise ExternalUnavailable("commerce", "did not answer for each update")
    except ExternalUnavailable as error:
        logger.warning("platform unavailable", extra={"reason": str(error)})
        metrics.add_metric(name="PlatformUnavailable", unit="Count", value=1)
        advice = error.retry_after or 0
        return [patience("PLATFORM_UNAVAILABLE", record.receive_count, advice) for record in records], False
    return [verdict(result, record.receive_count) for record, result in zip(records, results, strict=True)], True


def _count(verdicts: list[Verdict]) -> None:
    metrics.add_dimension(name="feed", value=setting("FEED_TYPE"))
    names = {Done: "Updated", GiveUp: "Failed", Wait: "PutOff"}
    for kind, name in names.items():
        if number := sum(isinstance(found, kind) for found in verdicts):
            metrics.add_metric(name=name, unit="Count", value=number)

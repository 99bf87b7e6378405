"""The circuit between a queue and the platform: while it is open, the queue's event source mapping is disabled.

Messages wait on the queue and lose no deliveries. A probe tries one of them every minute and closes the circuit once the
platform answers.

{part: "circuit/<type>", opened_at, reason}; a mapping that was disabled here always has such an item, or nothing would enable
it again. So the item is written before the mapping is disabled, and once more afterwards, because the circuit may have been
closed in between; and it is removed after the mapping is enabled, if it is still the one that was there before. A function that
dies in between leaves a circuit that the probe closes. A mapping that an operator disabled has no such item and stays.
"""

from datetime import UTC, datetime

from botocore.exceptions import ClientError

from setpieces.aws import client, error_code, single_try_client
from setpieces.dynamodb_types import from_item, to_item
from setpieces.observability import logger, metrics
from setpieces.parameters import read_parameter
from setpieces.settings import setting


def open_circuit(reason: str) -> None:
    """Stop deliveries from the queue."""
    _put_item(reason)
    try:
        _switch(enabled=False)
    finally:
        _put_item(reason)
    logger.error("circuit opened", extra={"feed": setting("FEED_TYPE"), "reason": reason})
    metrics.add_metric(name="CircuitOpened", unit="Count", value=1)


def opened_at() -> str:
    """When the circuit was opened; empty while it is closed."""
    table = setting("ACCOUNTS_TABLE_NAME")
    answer = client("dynamodb").get_item(TableName=table, Key=to_item(_key()), ConsistentRead=True)
    return str(from_item(answer.get("Item", {})).get("opened_at", ""))


def close_circuit(opened_at: str) -> bool:
    """Let the queue deliver again. False if the circuit was opened anew since ``opened_at``, or another change is under way."""
    if not _switch(enabled=True):
        return False
    try:
        client("dynamodb").delete_item(
            TableName=setting("ACCOUNTS_TABLE_NAME"),
            Key=to_item(_key()),
            # The SDK repeats a call whose answer was lost, and finds nothing more to delete.
            ConditionExpression="attribute_not_exists(opened_at) OR opened_at = :opened_at",
            ExpressionAttributeValues=to_item({":opened_at": opened_at}),
        )
    except ClientError as error:
        if error_code(error) != "ConditionalCheckFailedException":
            raise
        return False
    logger.warning("circuit closed", extra={"feed": setting("FEED_TYPE")})
    return True


def _put_item(reason: str) -> None:
    # To the microsecond: it tells this opening from all others.
    opened_at = datetime.now(UTC).isoformat(timespec="microseconds")
    item = to_item({**_key(), "opened_at": opened_at, "reason": reason})
    client("dynamodb").put_item(TableName=setting("ACCOUNTS_TABLE_NAME"), Item=item)


def _switch(*, enabled: bool) -> bool:
    """Enable or disable the mapping; False if another change is under way."""
    try:
        # It often takes longer than other calls are given, and a second attempt would find the first at work.
        single_try_client("lambda").update_event_source_mapping(UUID=_mapping(), Enabled=enabled)
    except ClientError as error:
        if error_code(error) != "ResourceInUseException":
            raise
        return False
    return True


def _key() -> dict[str, str]:
    return {"part": f"circuit/{setting('FEED_TYPE')}"}


def _mapping() -> str:
    return read_parameter("feed-pipeline", f"{setting('FEED_TYPE')}-mapping-id")

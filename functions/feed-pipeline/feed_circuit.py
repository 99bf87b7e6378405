"""The circuit between a queue and the platform: while it is open, the queue's event source mapping is disabled.

Messages wait on the queue and lose no deliveries. A probe tries one of them every minute and closes the circuit once the
platform answers.

{part: "circuit/<type>", opened_at, reason}; written before the mapping is disabled and removed after it is enabled, so that
whoever dies in between leaves a circuit that the probe closes. A mapping that an operator disabled has no such item and stays.
"""

from datetime import UTC, datetime

from botocore.exceptions import ClientError

from setpieces.addresses import address
from setpieces.aws import client, error_code
from setpieces.items import to_item
from setpieces.observability import logger, metrics
from setpieces.settings import setting


def open_circuit(reason: str) -> None:
    """Stop deliveries from the queue."""
    feed_type = setting("FEED_TYPE")
    opened_at = datetime.now(UTC).isoformat(timespec="seconds")
    item = to_item({**_key(), "opened_at": opened_at, "reason": reason})
    client("dynamodb").put_item(TableName=setting("ACCOUNTS_TABLE_NAME"), Item=item)
    try:
        client("lambda").update_event_source_mapping(UUID=_mapping(), Enabled=False)
    except ClientError as error:
        # Somebody else is changing it: whoever opens it too.
        if error_code(error) != "ResourceInUseException":
            raise
    logger.error("circuit opened", extra={"feed": feed_type, "reason": reason})
    metrics.add_metric(name="CircuitOpened", unit="Count", value=1)


def is_open() -> bool:
    table = setting("ACCOUNTS_TABLE_NAME")
    return "Item" in client("dynamodb").get_item(TableName=table, Key=to_item(_key()), ConsistentRead=True)


def close_circuit() -> None:
    """Let the queue deliver again."""
    client("lambda").update_event_source_mapping(UUID=_mapping(), Enabled=True)
    client("dynamodb").delete_item(TableName=setting("ACCOUNTS_TABLE_NAME"), Key=to_item(_key()))
    logger.warning("circuit closed", extra={"feed": setting("FEED_TYPE")})


def _key() -> dict[str, str]:
    return {"part": f"circuit/{setting('FEED_TYPE')}"}


def _mapping() -> str:
    return address("feed-pipeline", f"{setting('FEED_TYPE')}-mapping-id")

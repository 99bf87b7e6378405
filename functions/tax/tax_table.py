"""What all instances share: the circuit, and the rates last fetched.

{id: "circuit", failures, open_until}   {id: "rates", rates: {country: basis points}, rate_version, fetched_at}
"""

import time
from typing import Any

import tax_default_rates
from tax_circuit import COOL_DOWN_SECONDS, Circuit

from setpieces.aws import client
from setpieces.items import from_item, to_item
from setpieces.settings import setting

# An instance may work for so long with the state it read last: the healthy way costs one read in this time, not one per order.
FRESH_SECONDS = 2.0

_seen: tuple[Circuit, float] | None = None


def circuit() -> Circuit:
    """The circuit as it was at most ``FRESH_SECONDS`` ago."""
    global _seen
    if _seen is None or time.monotonic() - _seen[1] > FRESH_SECONDS:
        stored = _get("circuit")
        _remember(Circuit(stored.get("failures", 0), stored.get("open_until", 0)))
    assert _seen is not None
    return _seen[0]


def failed() -> None:
    """Count a failure. The circuit opens once there are too many in a row."""
    answer = client("dynamodb").update_item(
        TableName=setting("TABLE_NAME"),
        Key=to_item({"id": "circuit"}),
        UpdateExpression="SET failures = if_not_exists(failures, :none) + :one, open_until = :later",
        ExpressionAttributeValues=to_item({":none": 0, ":one": 1, ":later": int(time.time()) + COOL_DOWN_SECONDS}),
        ReturnValues="ALL_NEW",
    )
    stored = from_item(answer["Attributes"])
    _remember(Circuit(stored["failures"], stored["open_until"]))


def succeeded(before: Circuit) -> None:
    """Close the circuit, if there were failures."""
    if not before.failures:
        return
    client("dynamodb").put_item(
        TableName=setting("TABLE_NAME"), Item=to_item({"id": "circuit", "failures": 0, "open_until": 0})
    )
    _remember(Circuit())


def claim_probe(seen: Circuit) -> bool:
    """Be the one who tries: False if another instance does."""
    try:
        client("dynamodb").update_item(
            TableName=setting("TABLE_NAME"),
            Key=to_item({"id": "circuit"}),
            UpdateExpression="SET open_until = :later",
            ConditionExpression="open_until = :seen",
            ExpressionAttributeValues=to_item(
                {":later": int(time.time()) + COOL_DOWN_SECONDS, ":seen": seen.open_until}
            ),
        )
    except client("dynamodb").exceptions.ConditionalCheckFailedException:
        return False
    return True


def rates() -> tuple[dict[str, int], str]:
    """(rates, version) last fetched, or the default ones."""
    stored = _get("rates")
    if not stored:
        return tax_default_rates.RATES, tax_default_rates.VERSION
    return stored["rates"], stored["rate_version"]


def keep_rates(fetched: dict[str, int], rate_version: str) -> None:
    """Keep rates for the time when the tax system is down."""
    item = {"id": "rates", "rates": fetched, "rate_version": rate_version, "fetched_at": int(time.time())}
    client("dynamodb").put_item(TableName=setting("TABLE_NAME"), Item=to_item(item))


def _remember(state: Circuit) -> None:
    global _seen
    _seen = (state, time.monotonic())


def _get(key: str) -> dict[str, Any]:
    answer = client("dynamodb").get_item(TableName=setting("TABLE_NAME"), Key=to_item({"id": key}), ConsistentRead=True)
    return from_item(answer.get("Item", {}))

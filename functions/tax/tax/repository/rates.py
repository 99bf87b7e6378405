"""What all instances share: the circuit, and the rates last fetched.

{id: "circuit", failures, open_until, since_ms, write_id}
{id: "rates", rates: {country: basis points}, rate_version, fetched_at}

The circuit protects quotations and is not worth one: without its table every instance goes on with the state it saw last.
"""

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from setpieces.aws import client, error_code
from setpieces.dynamodb_types import from_item, to_item
from setpieces.errors import RETRY_SECONDS, RetryLater
from setpieces.observability import logger
from setpieces.settings import setting
from setpieces.stored import known
from tax.domain import default_rates
from tax.repository.circuit import Admission, Circuit

# An instance may work for so long with the state it read last: the healthy way costs one read in this time, not one per order.
FRESH_SECONDS = 2.0
# More than it takes others to open the circuit; from then on there is nothing to write.
MAX_TRIES = 8


@dataclass(frozen=True)
class _Seen:
    """What this instance knows: the circuit, when (monotonic) it was read, and when (epoch) a call last succeeded here."""

    circuit: Circuit
    at: float
    succeeded: float


_seen: _Seen | None = None


def circuit() -> Circuit:
    """The circuit as it was at most ``FRESH_SECONDS`` ago, or longer ago if the table does not answer."""
    if _seen and time.monotonic() - _seen.at <= FRESH_SECONDS:
        return _seen.circuit
    try:
        return _remember(_circuit(_get("circuit")))
    except (ClientError, BotoCoreError) as error:
        logger.warning("the circuit cannot be read", extra={"reason": str(error)})
        return _remember(_seen.circuit if _seen else Circuit())


def claim_probe(seen: Circuit) -> bool:
    """Be the one who tries: False if another instance does, or if nobody can tell."""
    try:
        return _replace(seen, seen.probed(time.time(), _cool_down()))
    except (ClientError, BotoCoreError) as error:
        logger.warning("no probe can be claimed", extra={"reason": str(error)})
        return False


def failed(admission: Admission) -> Circuit:
    """Count a failure of a call that was made on ``admission``. Returns the circuit as known then."""
    now, succeeded = time.time(), _seen.succeeded if _seen else 0.0
    return _record(lambda circuit: circuit.after_failure(admission, now, succeeded, _cool_down()))


def succeeded(admission: Admission) -> Circuit:
    """Close the circuit after a success, if it had failures. Returns the circuit as known then."""
    global _seen
    circuit()
    assert _seen is not None
    # Not when it was read: a busy instance would never look at the table again.
    _seen = replace(_seen, succeeded=time.time())
    return _record(lambda circuit: circuit.after_success(admission))


def rates() -> tuple[dict[str, int], str]:
    """(rates, version) last fetched, or the default ones if none ever were.

    Raises ``RetryLater`` if that cannot be told: default rates may be older than the stored ones.
    """
    try:
        stored = _get("rates")
    except (ClientError, BotoCoreError) as error:
        logger.warning("the rates cannot be read", extra={"reason": str(error)})
        raise RetryLater(
            RETRY_SECONDS, "Neither the tax system nor the cached rates can be reached", "TAX_UNAVAILABLE"
        ) from error
    if not stored:
        return default_rates.RATES, default_rates.VERSION
    return stored["rates"], stored["rate_version"]


def keep_rates(fetched: dict[str, int], rate_version: str) -> None:
    """Keep rates for the time when the tax system is down."""
    item = {"id": "rates", "rates": fetched, "rate_version": rate_version, "fetched_at": int(time.time())}
    client("dynamodb").put_item(TableName=setting("TABLE_NAME"), Item=to_item(item))


def _cool_down() -> int:
    return int(setting("COOL_DOWN_SECONDS"))


def _record(change: Callable[[Circuit], Circuit]) -> Circuit:
    """Store what ``change`` makes of the circuit, of whichever state is stored by now.

    Nothing is written if it changes nothing. An outcome that cannot be stored is lost: the next one counts.
    """
    try:
        for _ in range(MAX_TRIES):
            before = circuit()
            after = change(before)
            if after == before or _replace(before, after):
                break
    except (ClientError, BotoCoreError) as error:
        logger.warning("the circuit cannot be written", extra={"reason": str(error)})
    return circuit()


def _replace(before: Circuit, after: Circuit) -> bool:
    """Store ``after`` if ``before`` is still what is stored; whichever it is then is remembered."""
    write_id = uuid.uuid4().hex
    try:
        client("dynamodb").put_item(
            TableName=setting("TABLE_NAME"),
            Item=to_item({"id": "circuit", "write_id": write_id} | asdict(after)),
            ConditionExpression="attribute_not_exists(since_ms) OR "
            "(failures = :failures AND open_until = :open_until AND since_ms = :since_ms)",
            ExpressionAttributeValues=to_item({f":{name}": value for name, value in asdict(before).items()}),
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    except ClientError as error:
        if error_code(error) != "ConditionalCheckFailedException":
            raise
        response: Mapping[str, Any] = error.response
        stored = from_item(response["Item"])
        _remember(_circuit(stored))
        # The SDK repeats a call whose answer was lost, and finds what the first attempt stored. If another instance has written
        # since then, a failure counts twice: the circuit opens one failure early.
        return stored.get("write_id") == write_id
    _remember(after)
    return True


def _circuit(stored: dict[str, Any]) -> Circuit:
    return known(Circuit, stored)


def _remember(state: Circuit) -> Circuit:
    global _seen
    _seen = _Seen(state, time.monotonic(), _seen.succeeded if _seen else 0.0)
    return state


def _get(key: str) -> dict[str, Any]:
    answer = client("dynamodb").get_item(TableName=setting("TABLE_NAME"), Key=to_item({"id": key}), ConsistentRead=True)
    return from_item(answer.get("Item", {}))

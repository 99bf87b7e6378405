"""The circuit that all instances share: {id: "circuit", failures, open_until, since_ms, write_id}.

Quotations do not depend on it: without its table every instance uses the state that it read last.
"""

import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

from botocore.exceptions import BotoCoreError, ClientError

from setpieces import dynamodb
from setpieces.dynamodb import ConditionFailed
from setpieces.observability import logger
from setpieces.settings import setting
from setpieces.stored import from_stored
from tax.domain.circuit import Admission, Circuit

KEY = {"id": "circuit"}
# How long an instance uses the state that it has read: one read in this time, not one per order.
FRESH_SECONDS = 2.0
# More than the failures that open the circuit; an open circuit needs no more writes.
MAX_TRIES = 8


@dataclass(frozen=True)
class _Known:
    """What this instance knows: the circuit, when (monotonic) it was read, and when (epoch) a call last succeeded here."""

    circuit: Circuit
    read_at: float
    succeeded: float


_known: _Known | None = None


def load_circuit() -> Circuit:
    """The circuit as it was at most ``FRESH_SECONDS`` ago, or longer ago if the table does not answer."""
    if _known and time.monotonic() - _known.read_at <= FRESH_SECONDS:
        return _known.circuit
    try:
        return _remember(from_stored(Circuit, dynamodb.get(setting("TABLE_NAME"), KEY) or {}))
    except (ClientError, BotoCoreError) as error:
        logger.warning("the circuit cannot be read", extra={"reason": str(error)})
        return _remember(_known.circuit if _known else Circuit())


def claim_probe(circuit: Circuit) -> bool:
    """Claim the half-open probe. False if another instance holds it or the table is unavailable."""
    try:
        return _replace(circuit, circuit.probed(time.time(), _cool_down()))
    except (ClientError, BotoCoreError) as error:
        logger.warning("no probe can be claimed", extra={"reason": str(error)})
        return False


def record_failure(admission: Admission) -> Circuit:
    """Record a failed call that was made on ``admission``; the circuit afterwards."""
    now, succeeded = time.time(), _known.succeeded if _known else 0.0
    return _record(lambda circuit: circuit.after_failure(admission, now, succeeded, _cool_down()))


def record_success(admission: Admission) -> Circuit:
    """Record a successful call, which closes a circuit that had failures; the circuit afterwards."""
    global _known
    load_circuit()
    assert _known is not None
    # ``read_at`` stays: a busy instance would never read the table again.
    _known = replace(_known, succeeded=time.time())
    return _record(lambda circuit: circuit.after_success(admission))


def _cool_down() -> int:
    return int(setting("COOL_DOWN_SECONDS"))


def _record(change: Callable[[Circuit], Circuit]) -> Circuit:
    """Apply ``change`` and store the result if the stored circuit is unchanged; otherwise retry on the stored circuit.

    A circuit that ``change`` leaves as it is is not written. An outcome that cannot be stored is lost: the next one counts.
    """
    try:
        for _ in range(MAX_TRIES):
            before = load_circuit()
            after = change(before)
            if after == before or _replace(before, after):
                break
    except (ClientError, BotoCoreError) as error:
        logger.warning("the circuit cannot be written", extra={"reason": str(error)})
    return load_circuit()


def _replace(before: Circuit, after: Circuit) -> bool:
    """Store ``after`` if ``before`` is still stored, and remember the circuit that is stored then."""
    write_id = uuid.uuid4().hex
    try:
        dynamodb.put_if(
            setting("TABLE_NAME"),
            KEY | {"write_id": write_id} | asdict(after),
            "attribute_not_exists(since_ms) OR "
            "(failures = :failures AND open_until = :open_until AND since_ms = :since_ms)",
            {f":{name}": value for name, value in asdict(before).items()},
        )
    except ConditionFailed as failed:
        stored = failed.item or {}
        _remember(from_stored(Circuit, stored))
        # The SDK repeats a call whose answer was lost, and finds what its first attempt stored. If another instance has written
        # since then, a failure counts twice: the circuit opens one failure early.
        return stored.get("write_id") == write_id
    _remember(after)
    return True


def _remember(circuit: Circuit) -> Circuit:
    global _known
    _known = _Known(circuit, time.monotonic(), _known.succeeded if _known else 0.0)
    return circuit

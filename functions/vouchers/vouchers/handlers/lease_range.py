"""First step of the workflow: numbers for the batch, and which of its chunks are still to be made.

{batch_id} -> {"chunks": [{index, first, count}]}. Raises ``BatchOver``, ``SequencesUnavailable``.
"""

from dataclasses import asdict
from typing import Any

from setpieces import signed_client
from setpieces.errors import ExternalUnavailable
from vouchers.clients.runs import run_step
from vouchers.domain.files import stored_parts
from vouchers.repository.batches import GENERATING, BatchOver, advance, lease, read
from vouchers.repository.chunks import chunks

LEASE_SECONDS = 5.0


class SequencesUnavailable(Exception):
    """No numbers can be had at the moment."""


@run_step
def handler(event: dict[str, Any], remaining_seconds: float) -> dict[str, Any]:
    batch = advance(event["batch_id"], GENERATING)
    if batch is None:
        raise BatchOver(event["batch_id"])
    if "first" not in batch:
        batch = _leased(batch["batch_id"], batch["count"])
    done = {int(index) for index in batch.get("chunks_done", ())}
    if done and "sha256" not in batch:
        # A batch that failed is resumed by hand: after a day its parts have to be made again, the same ones.
        done &= stored_parts(batch["batch_id"])
    left = chunks(batch["first"], batch["count"], done)
    return {"chunks": [asdict(chunk) for chunk in left]}


def _leased(batch_id: str, count: int) -> dict[str, Any]:
    """The batch with its numbers; another run may have got some at the same time, then these are left unused."""
    try:
        answer = signed_client.call(
            "sequences",
            "POST",
            "/v1/sequences/voucher/lease",
            body={"count": count},
            timeout=LEASE_SECONDS,
            repeatable=True,
        )
    except ExternalUnavailable as error:
        raise SequencesUnavailable(str(error)) from error
    if answer.status != 200:
        raise SequencesUnavailable(f"answered {answer.status}")
    batch = lease(batch_id, answer.body["first"], answer.body["last"]) or read(batch_id)
    if batch is None:
        raise BatchOver(batch_id)
    return batch

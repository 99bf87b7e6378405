"""Batches as admins see them. Pure."""

from collections.abc import Mapping
from typing import Any

from setpieces.errors import Refused
from vouchers.domain.batches import Batch, generated_count

_ATTRIBUTES = (
    "batch_id", "status", "count", "campaign", "value", "currency", "valid_from", "valid_to", "one_time",
    "created_at", "updated_at", "notified_at", "reason", "sha256", "bytes",
)  # fmt: skip


def batch_view(batch: Batch | None) -> dict[str, Any]:
    """The body of a response about a batch. Raises ``Refused`` BATCH_NOT_FOUND for None."""
    if batch is None:
        raise Refused("BATCH_NOT_FOUND", "The batch does not exist")
    attributes: Mapping[str, Any] = batch
    view = {name: attributes[name] for name in _ATTRIBUTES if name in attributes}
    return view | {"generated": generated_count(batch)}

"""A step of the state machine, for each chunk: store its vouchers and its part of the file.

{batch_id, chunk: {index, first, count}} -> nothing. A repetition generates the same codes. Raises ``BatchOver``, ``StoreBusy``.
"""

from typing import Any

from setpieces.stored import from_stored
from vouchers.domain.chunks import Chunk
from vouchers.workflow import generation
from vouchers.workflow.steps import step_handler


@step_handler
def handler(event: dict[str, Any], remaining_seconds: float) -> None:
    generation.generate_chunk(event["batch_id"], from_stored(Chunk, event["chunk"]), remaining_seconds)

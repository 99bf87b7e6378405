"""The first step of the state machine: lease the numbers of the batch, and list the chunks that are to be generated.

{batch_id} -> {chunks: [{index, first, count}]}. Raises ``BatchOver``, ``SequencesUnavailable``.
"""

from typing import Any

from vouchers.workflow import generation
from vouchers.workflow.steps import step_handler


@step_handler
def handler(event: dict[str, Any], remaining_seconds: float) -> dict[str, Any]:
    return {"chunks": generation.list_chunks(event["batch_id"])}

"""A step of the state machine: store the parts of all chunks as one file with a manifest.

{batch_id} -> nothing. Raises ``BatchOver``, ``CountMismatch``.
"""

from typing import Any

from vouchers.workflow import generation
from vouchers.workflow.steps import step_handler


@step_handler
def handler(event: dict[str, Any], remaining_seconds: float) -> None:
    generation.store_file(event["batch_id"])

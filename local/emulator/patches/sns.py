"""Patches of SNS."""

from typing import Any

from local.emulator.patch import patch


@patch(
    "sns-batches",
    area="permissions",
    aws="PublishBatch needs the permission of the single call, sns:Publish",
    emulator="it needs sns:PublishBatch, an action that IAM does not have",
    reason="the integration tests publish batches",
    upstream="not reported",
)
def authorize_publish_batch_as_publish() -> None:
    from ministack.core import iam_actions

    action_from_query = iam_actions._action_from_query

    def action(query_params: dict[str, Any], body: bytes, content_type: str) -> str | None:
        name = action_from_query(query_params, body, content_type)
        return "Publish" if name == "PublishBatch" else name

    iam_actions._action_from_query = action

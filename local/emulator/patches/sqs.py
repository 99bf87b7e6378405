"""Patches of SQS."""

import inspect
from collections.abc import Callable
from operator import itemgetter
from typing import Any

from local.emulator.patch import NoLongerNeeded, patch, replace_in_function


@patch(
    "deep-queues",
    area="events and queues",
    aws="the cost of a receive does not depend on the number of waiting messages",
    emulator="it reads all messages of the queue, several times",
    reason="a feed of 100,000 records took hours",
    upstream="not reported",
)
def receive_without_reading_whole_queue() -> None:
    from ministack.services import sqs

    sqs._receive_count = itemgetter("receive_count")
    replace_in_function(
        sqs,
        "_collect_msgs",
        """    for m in q["messages"]:
        _ensure_msg_fields(m)
    visible = [m for m in q["messages"] if m["visible_at"] <= now]
    result = visible[:max_n]
""",
        """    result = []
    for m in q["messages"]:
        _ensure_msg_fields(m)
        if m["visible_at"] <= now:
            result.append(m)
            if len(result) == max_n:
                break
""",
    )
    replace_in_function(
        sqs,
        "_dlq_sweep",
        "    keep: list = []\n",
        "    if max(map(_receive_count, q['messages']), default=0) < max_rc:\n        return\n    keep: list = []\n",
    )
    # The shortest retention is a minute, so a check per second is enough.
    replace_in_function(
        sqs,
        "_expire_retained",
        "    cutoff = now - retention\n",
        "    if now - q.get('expired_at', 0) < 1:\n        return\n    q['expired_at'] = now\n    cutoff = now - retention\n",
    )


@patch(
    "sqs-batches",
    area="permissions",
    aws="SendMessageBatch and similar calls need the permission of the single call, sqs:SendMessage",
    emulator="they need sqs:SendMessageBatch, an action that IAM does not have",
    reason="policies that are correct on AWS would deny calls locally",
    upstream="not reported",
)
def authorize_sqs_batches_as_single_calls() -> None:
    from ministack.core import iam_actions

    replace_in_function(
        iam_actions,
        "_action_from_target",
        'return target.rsplit(".", 1)[-1]',
        'name = target.rsplit(".", 1)[-1]\n'
        '        return name.removesuffix("Batch") if target.startswith("AmazonSQS.") else name',
    )


# The largest value of each parameter in seconds, with the reason in the error of SQS.
MAX_SECONDS = {
    "DelaySeconds": (900, "DelaySeconds must be >= 0 and <= 900."),
    "VisibilityTimeout": (43_200, "Must be >= 0 and <= 43200, if provided."),
    "WaitTimeSeconds": (20, "Must be >= 0 and <= 20, if provided."),
}


@patch(
    "message-times",
    area="events and queues",
    aws="a message has a delay of at most 900 s, a visibility timeout of 43,200 s and a wait time of 20 s",
    emulator="longer times are accepted",
    reason="times that grow with the shop, such as a delay, would be rejected only on AWS",
    upstream="not reported",
)
def limit_message_times() -> None:
    from ministack.services import sqs

    if "must be >= 0" in inspect.getsource(sqs):
        raise NoLongerNeeded("times are limited")

    def with_limits(act: Callable[[dict[str, Any], str], Any]) -> Callable[[dict[str, Any], str], Any]:
        def act_within_limits(data: dict[str, Any], url: str) -> Any:
            for name, (maximum, reason) in MAX_SECONDS.items():
                value = data.get(name)
                if value is not None and not 0 <= int(value) <= maximum:
                    message = f"Value {value} for parameter {name} is invalid. Reason: {reason}"
                    raise sqs._Err("InvalidParameterValue", message)
            return act(data, url)

        return act_within_limits

    # SendMessageBatch calls _act_send_message for each message.
    for action, name in (
        ("SendMessage", "_act_send_message"),
        ("ReceiveMessage", "_act_receive_message"),
        ("ChangeMessageVisibility", "_act_change_visibility"),
    ):
        act = with_limits(sqs._HANDLERS[action])
        sqs._HANDLERS[action] = act
        setattr(sqs, name, act)

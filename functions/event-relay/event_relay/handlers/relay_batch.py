"""As they come: the FIFO queue is this function's event source (RelayMode fifo)."""

from event_relay.workflow import relay
from setpieces.sqs_consumer import Record, batch_handler


def undone(records: list[Record]) -> list[str]:
    """The ids of the messages that are to be delivered again."""
    done = relay(records)
    return [record.message_id for record in records if record.message_id not in done]


handler = batch_handler(undone)

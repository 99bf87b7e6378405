"""As they come: the FIFO queue is this function's event source (RelayMode fifo)."""

from relay_core import relay

from setpieces.queues import Record, batch_handler


def undone(records: list[Record]) -> list[str]:
    """The ids of the messages that are to be delivered again."""
    done = relay(records)
    return [record.message_id for record in records if record.message_id not in done]


handler = batch_handler(undone)

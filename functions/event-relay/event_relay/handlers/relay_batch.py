"""Consumes the FIFO queue of updates as an event source (RelayMode fifo): publishes them as events."""

from event_relay.workflow import relay
from setpieces.sqs_consumer import Record, batch_handler


def process(records: list[Record]) -> list[str]:
    """The ids of the messages to be delivered again."""
    done = relay(records)
    return [record.message_id for record in records if record.message_id not in done]


handler = batch_handler(process)

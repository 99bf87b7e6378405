"""Sends messages to the queue of migrations."""

import json

from customer_migration.domain import PROFILE_CREATED
from setpieces.aws import client
from setpieces.events import Event
from setpieces.settings import setting


def request_migration(customer_id: str) -> None:
    """Send the message that the customer topic delivers after a sign-up."""
    event = Event(PROFILE_CREATED, {"customer_id": customer_id})
    client("sqs").send_message(QueueUrl=setting("QUEUE_URL"), MessageBody=json.dumps(event.detail()))

"""The functions that process the events of an object."""

import json

from ingestion.domain.objects import EventObject
from setpieces.aws import client
from setpieces.settings import setting


def invoke_processors(event_object: EventObject) -> None:
    """Invoke each processing function asynchronously."""
    payload = json.dumps(event_object.payload()).encode()
    for function in setting("PROCESSORS").split(","):
        client("lambda").invoke(FunctionName=function, InvocationType="Event", Payload=payload)

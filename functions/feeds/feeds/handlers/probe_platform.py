"""Every minute, if the circuit is open: one message is tried, and if the platform answers, the circuit is closed."""

from typing import Any

from feeds.repository.circuit import close_circuit, opened_at
from feeds.workflow.update import update
from setpieces.aws import client, patient_client
from setpieces.observability import logger, observed
from setpieces.settings import setting
from setpieces.sqs_consumer import Record

WAIT_SECONDS = 5


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, str]:
    """{"circuit": "closed", "open" or "closed again"}."""
    opened = opened_at()
    if not opened:
        return {"circuit": "closed"}
    queue_url = setting("QUEUE_URL")
    # A short poll asks only some of the queue's servers, and may find nothing although messages wait.
    received = patient_client("sqs").receive_message(
        QueueUrl=queue_url, MessageSystemAttributeNames=["ApproximateReceiveCount"], WaitTimeSeconds=WAIT_SECONDS
    )
    for message in received.get("Messages", []):
        record = Record(
            message_id=message["MessageId"],
            receive_count=int(message["Attributes"]["ApproximateReceiveCount"]),
            group_id=None,
            attributes={},
            body=message["Body"],
            receipt_handle=message["ReceiptHandle"],
        )
        waiting, answered = update([record])
        if not waiting:
            client("sqs").delete_message(QueueUrl=queue_url, ReceiptHandle=record.receipt_handle)
        if answered and close_circuit(opened):
            return {"circuit": "closed again"}
    logger.info("circuit stays open", extra={"tried": len(received.get("Messages", []))})
    return {"circuit": "open"}

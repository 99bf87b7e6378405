"""What others hear of customers: the bus, and the customer topic. Ids are derived, so that a repeat can be recognised."""

import json

from botocore.exceptions import BotoCoreError, ClientError

from customers.domain.profile import ORIGIN
from setpieces.aws import client
from setpieces.errors import RETRY_SECONDS, RetryLater
from setpieces.events import Event, PublishFailed, check, derived_id, profile_updated_id, publish
from setpieces.observability import logger, metrics
from setpieces.settings import setting

CREATED = ("CUSTOMER", "PROFILE", "CREATED")
UPDATED = ("CUSTOMER", "PROFILE", "UPDATED")
MISMATCH = ("CUSTOMER", "IDENTITY", "MISMATCH")
SOURCE = "customers"
REFUSALS = (BotoCoreError, ClientError, PublishFailed)


def announce_update(customer_id: str, version: int) -> None:
    """Tell the bus that a profile has a new version. Raises ``Refused`` 503 if it cannot be told."""
    event_id = profile_updated_id(customer_id, version)
    try:
        publish(Event(UPDATED, {"customer_id": customer_id, "version": version}, event_id=event_id), source=SOURCE)
    except REFUSALS as error:
        raise _not_passed_on("the bus") from error


def announce_customer(customer_id: str) -> None:
    """Tell the customer topic of a new customer. Raises ``Refused`` 503 if it cannot be told."""
    event = Event(CREATED, {"customer_id": customer_id}, event_id=derived_id("customer-created", customer_id))
    check(event)
    attributes = dict(zip(("type", "subtype", "status"), CREATED, strict=True)) | {"origin": ORIGIN}
    try:
        client("sns").publish(
            TopicArn=setting("CUSTOMER_TOPIC_ARN"),
            Message=json.dumps(event.detail()),
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
            },
        )
    except REFUSALS as error:
        raise _not_passed_on("the customer topic") from error


def announce_mismatch(customer_id: str, session_hash: str) -> None:
    """Count an identity mismatch, which raises the alarm, and tell the bus, for reconciliation.

    The session is refused whether or not the bus can be told; its next authorisation tells it again.
    """
    metrics.add_metric(name="IdentityMismatch", unit="Count", value=1)
    event_id = derived_id("identity-mismatch", customer_id, session_hash)
    try:
        publish(Event(MISMATCH, {"customer_id": customer_id}, event_id=event_id), source=SOURCE)
    except REFUSALS:
        logger.exception("the mismatch was not announced")


def _not_passed_on(to: str) -> RetryLater:
    logger.exception("not announced", extra={"to": to})
    return RetryLater(
        RETRY_SECONDS, "What was asked for is stored, but not passed on yet; repeat the request", "NOT_PASSED_ON"
    )

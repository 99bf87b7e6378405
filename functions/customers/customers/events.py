"""Events on the checkout bus and the customer topic.

An event's id is derived from what it is about, so a repeat publishes it with the same id, by which consumers recognise it.
"""

import json

from botocore.exceptions import BotoCoreError, ClientError

from customers.domain.records import ORIGIN
from setpieces.aws import client
from setpieces.errors import RETRY_SECONDS, RetryLater
from setpieces.events import Event, PublishFailed, derived_id, profile_updated_id, publish, validate_event
from setpieces.observability import logger, metrics
from setpieces.settings import setting

# Kinds of events: (type, subtype, status).
CREATED = ("CUSTOMER", "PROFILE", "CREATED")
UPDATED = ("CUSTOMER", "PROFILE", "UPDATED")
MISMATCH = ("CUSTOMER", "IDENTITY", "MISMATCH")
SOURCE = "customers"
PUBLISH_ERRORS = (BotoCoreError, ClientError, PublishFailed)


def publish_profile_updated(customer_id: str, version: int) -> None:
    """Publish the new version of a profile on the bus. Raises ``RetryLater`` NOT_PASSED_ON."""
    event_id = profile_updated_id(customer_id, version)
    try:
        publish(Event(UPDATED, {"customer_id": customer_id, "version": version}, event_id=event_id), source=SOURCE)
    except PUBLISH_ERRORS as error:
        raise _not_published("the bus") from error


def publish_customer_created(customer_id: str) -> None:
    """Publish a new customer on the customer topic. Raises ``RetryLater`` NOT_PASSED_ON."""
    event = Event(CREATED, {"customer_id": customer_id}, event_id=derived_id("customer-created", customer_id))
    validate_event(event)
    attributes = dict(zip(("type", "subtype", "status"), CREATED, strict=True)) | {"origin": ORIGIN}
    try:
        client("sns").publish(
            TopicArn=setting("CUSTOMER_TOPIC_ARN"),
            Message=json.dumps(event.detail()),
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
            },
        )
    except PUBLISH_ERRORS as error:
        raise _not_published("the customer topic") from error


def publish_identity_mismatch(customer_id: str, session_hash: str) -> None:
    """Count an identity mismatch, which raises the alarm, and publish it on the bus, for reconciliation.

    An error of the bus is only logged: the session is refused anyway, and its next authorization publishes the event again.
    """
    metrics.add_metric(name="IdentityMismatch", unit="Count", value=1)
    event_id = derived_id("identity-mismatch", customer_id, session_hash)
    try:
        publish(Event(MISMATCH, {"customer_id": customer_id}, event_id=event_id), source=SOURCE)
    except PUBLISH_ERRORS:
        logger.exception("identity mismatch not published")


def _not_published(destination: str) -> RetryLater:
    """``RetryLater`` NOT_PASSED_ON, to be raised for the exception being handled, which is logged here."""
    logger.exception("event not published", extra={"destination": destination})
    return RetryLater(
        RETRY_SECONDS, "The change is stored, but its event is not published yet; repeat the request", "NOT_PASSED_ON"
    )

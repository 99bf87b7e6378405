"""Messages of the voucher topic: whoever asked for a batch gets a mail, with a link that is signed just before it is sent."""

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from setpieces import observability
from setpieces.aws import error_code, single_try_client
from setpieces.backoff import backoff_seconds
from setpieces.errors import PermanentFailure, RetryLater
from setpieces.eventbridge_consumer import parse_event
from setpieces.settings import SITE_ID, setting
from setpieces.sqs_consumer import Record, queue_handler
from vouchers.clients.mail import Mail, failure, success
from vouchers.messages import BATCH_COMPLETE, BATCH_FAILED
from vouchers.repository.batches import COMPLETE, FAILED, NOTIFYING, Batch, read, remember
from vouchers.repository.downloads import link
from vouchers.views import utc_now

# What SES says of mails that it will never take. https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html
REFUSALS = ("MessageRejected", "BadRequestException", "MailFromDomainNotVerifiedException", "AccountSuspendedException")


def process(body: dict[str, Any], record: Record) -> None:
    event = parse_event(body, record, (BATCH_COMPLETE, BATCH_FAILED))
    observability.begin(event.correlation_id)
    batch = read(event.data["batch_id"])
    if batch is None:
        raise PermanentFailure("UNKNOWN_BATCH")
    # None while the batch is made once more, and for one that was cancelled.
    outcome = {NOTIFYING: COMPLETE, COMPLETE: COMPLETE, FAILED: FAILED}.get(batch["status"])
    if outcome in (None, batch.get("notified_of")):
        return
    _send(_mail(batch, outcome), batch["notify"], record)
    # A crash before this sends the mail once more, which is better than never.
    remember(batch["batch_id"], notified_of=outcome, notified_at=utc_now().strftime("%Y-%m-%dT%H:%M:%SZ"))


def _mail(batch: Batch, outcome: str | None) -> Mail:
    if outcome == FAILED:
        return failure(batch, SITE_ID)
    return success(batch, link(batch, int(setting("LINK_SECONDS"))), SITE_ID)


def _send(mail: Mail, recipient: str, record: Record) -> None:
    try:
        single_try_client("sesv2").send_email(
            FromEmailAddress=setting("SENDER"),
            Destination={"ToAddresses": [recipient]},
            Content={"Simple": {"Subject": {"Data": mail.subject}, "Body": {"Text": {"Data": mail.text}}}},
        )
    except ClientError as error:
        # The service's own text names the recipient.
        if error_code(error) in REFUSALS:
            raise PermanentFailure("MAIL_REFUSED", error_code(error)) from None
        raise RetryLater(backoff_seconds(record.receive_count), error_code(error)) from None
    except BotoCoreError as error:
        # SES may have taken it; it is sent once more all the same, because a mail too many is better than none.
        raise RetryLater(backoff_seconds(record.receive_count), type(error).__name__) from None


handler = queue_handler(process)

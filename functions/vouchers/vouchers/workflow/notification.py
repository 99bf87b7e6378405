"""Notification of the requester: one mail when a batch is complete, one when it has failed."""

from datetime import UTC, datetime

from setpieces.errors import PermanentFailure
from setpieces.settings import SITE_ID, setting
from setpieces.times import to_rfc3339
from vouchers.clients import mail
from vouchers.domain.batches import COMPLETE, FAILED, NOTIFYING
from vouchers.repository import batches
from vouchers.views.mails import complete_mail, failed_mail
from vouchers.workflow.links import create_link

# The outcome that a status is mailed as. Cancelled batches are not mailed, nor those that are being generated again.
OUTCOMES = {NOTIFYING: COMPLETE, COMPLETE: COMPLETE, FAILED: FAILED}


def notify_requester(batch_id: str, receive_count: int) -> None:
    """Send the mail about a batch, unless it was sent. Raises ``PermanentFailure`` UNKNOWN_BATCH and as ``mail.send``.

    ``receive_count`` is the number of deliveries of the message. After a crash the mail is sent again.
    """
    batch = batches.find(batch_id)
    if batch is None:
        raise PermanentFailure("UNKNOWN_BATCH")
    outcome = OUTCOMES.get(batch["status"])
    if outcome in (None, batch.get("notified_of")):
        return
    if outcome == FAILED:
        content = failed_mail(batch, SITE_ID)
    else:
        content = complete_mail(batch, create_link(batch, int(setting("LINK_SECONDS"))), SITE_ID)
    mail.send(batch["notify"], content.subject, content.text, receive_count)
    batches.update(batch_id, notified_of=outcome, notified_at=to_rfc3339(datetime.now(UTC)))

"""Amazon SES, by which mails are sent."""

from botocore.exceptions import BotoCoreError, ClientError

from setpieces.aws import error_code, single_try_client
from setpieces.backoff import backoff_seconds
from setpieces.errors import PermanentFailure, RetryLater
from setpieces.settings import setting

# Errors for mails that SES will never accept.
# https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html
REFUSALS = ("MessageRejected", "BadRequestException", "MailFromDomainNotVerifiedException", "AccountSuspendedException")


def send(recipient: str, subject: str, text: str, receive_count: int) -> None:
    """Send a mail of plain text, perhaps twice: SES may have accepted one whose answer was lost.

    Raises ``PermanentFailure`` MAIL_REFUSED, and ``RetryLater`` after ``receive_count`` deliveries of the message.
    """
    try:
        single_try_client("sesv2").send_email(
            FromEmailAddress=setting("SENDER"),
            Destination={"ToAddresses": [recipient]},
            Content={"Simple": {"Subject": {"Data": subject}, "Body": {"Text": {"Data": text}}}},
        )
    except ClientError as error:
        # The message of the error has the recipient's address in it.
        if error_code(error) in REFUSALS:
            raise PermanentFailure("MAIL_REFUSED", error_code(error)) from None
        raise RetryLater(backoff_seconds(receive_count), error_code(error)) from None
    except BotoCoreError as error:
        raise RetryLater(backoff_seconds(receive_count), type(error).__name__) from None

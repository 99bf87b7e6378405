"""The mail with the link that confirms an e-mail address: the same whether or not the address has an account."""

from datetime import UTC, datetime

from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError, EndpointConnectionError

from setpieces.aws import error_code, single_try_client
from setpieces.errors import RETRY_SECONDS, RetryLater
from setpieces.observability import logger, metrics
from setpieces.parameters import read_parameter
from setpieces.settings import SITE_ID, setting

# SES will never accept this recipient or mail. Returned to the caller, the error would reveal something about the address.
# https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html
REFUSAL_CODES = ("MessageRejected", "BadRequestException")
CONNECTION_ERRORS = (ConnectTimeoutError, EndpointConnectionError)

TEXT = """Hello,

an account at {site} was requested for this e-mail address. If you asked for it, open this link and choose a password:

{link}

If the page asks for a confirmation code, it is:

{token}

The link works until {until}. If you have an account already, sign in instead. If you did not ask for an account, ignore this
mail: no account is made unless the link is opened.

{site}
"""


def mail_text(token: str, site_url: str, expires_at: int) -> str:
    """The text of the mail; ``expires_at`` is in epoch seconds.

    The token is in the fragment of the link, which browsers do not send: it is in no log of a server or proxy.
    """
    until = datetime.fromtimestamp(expires_at, UTC).strftime("%d %B %Y, %H:%M UTC")
    return TEXT.format(site=SITE_ID, link=f"{site_url}/sign-up/confirm#{token}", token=token, until=until)


def site_url() -> str:
    """The address of the shop. Raises ``ExternalUnavailable``."""
    return read_parameter("edge", "site-url")


def send(email: str, token: str, site_url: str, expires_at: int) -> bool:
    """Mail the link; False if SES has not accepted the mail. Raises ``RetryLater`` NOT_MAILED if it may have.

    A refusal of the recipient counts as accepted, so that the response does not depend on the address.
    """
    text = mail_text(token, site_url, expires_at)
    try:
        single_try_client("sesv2").send_email(
            FromEmailAddress=setting("SENDER"),
            Destination={"ToAddresses": [email]},
            Content={
                "Simple": {
                    "Subject": {"Data": f"{SITE_ID}: confirm your e-mail address"},
                    "Body": {"Text": {"Data": text}},
                }
            },
        )
    except (BotoCoreError, ClientError) as error:
        # SES's message names the recipient, so it is not logged.
        code = error_code(error)
        if code not in REFUSAL_CODES or _is_about_sender(error):
            logger.error("confirmation not mailed", extra={"code": code or type(error).__name__})
            if isinstance(error, CONNECTION_ERRORS):
                return False
            if isinstance(error, ClientError) and error.response["ResponseMetadata"]["HTTPStatusCode"] < 500:
                return False
            raise not_mailed() from None
        logger.warning("confirmation refused", extra={"code": code})
        metrics.add_metric(name="ConfirmationRefused", unit="Count", value=1)
    return True


def _is_about_sender(error: Exception) -> bool:
    """True if SES refused the sender: the error is the same for an unverified recipient, and its message names the address.

    https://docs.aws.amazon.com/ses/latest/dg/troubleshoot-error-messages.html
    """
    return setting("SENDER").casefold() in str(error).casefold()


def not_mailed() -> RetryLater:
    """503."""
    return RetryLater(RETRY_SECONDS, "The confirmation cannot be mailed now; repeat the request", "NOT_MAILED")

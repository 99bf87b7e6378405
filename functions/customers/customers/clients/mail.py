"""The mail that confirms an e-mail address: plain text, the same whether or not the address has an account."""

from datetime import UTC, datetime

from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError, EndpointConnectionError

from setpieces.aws import error_code, single_try_client
from setpieces.errors import RETRY_SECONDS, RetryLater
from setpieces.observability import logger, metrics
from setpieces.parameters import address
from setpieces.settings import SITE_ID, setting

# What SES says of a recipient or a mail that it will never take. Passed on, it would tell the caller about the address.
# https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html
REFUSALS = ("MessageRejected", "BadRequestException")
NOT_CONNECTED = (ConnectTimeoutError, EndpointConnectionError)

TEXT = """Hello,

an account at {site} was requested for this e-mail address. If you asked for it, open this link and choose a password:

{link}

If the page asks for a confirmation code, it is:

{token}

The link works until {until}. If you have an account already, sign in instead. If you did not ask for an account, ignore this
mail: no account is made unless the link is opened.

{site}
"""


def text(token: str, site_url: str, expires_at: int) -> str:
    """The token is behind a # in the link, which browsers keep to themselves: no log and no proxy sees it."""
    until = datetime.fromtimestamp(expires_at, UTC).strftime("%d %B %Y, %H:%M UTC")
    return TEXT.format(site=SITE_ID, link=f"{site_url}/sign-up/confirm#{token}", token=token, until=until)


def site_url() -> str:
    """The address of the shop. Raises ``ExternalUnavailable``."""
    return address("edge", "site-url")


def send(email: str, token: str, site_url: str, expires_at: int) -> bool:
    """False if SES takes no mails now. Raises ``Refused`` 503 if it is not known whether it took this one."""
    body = text(token, site_url, expires_at)
    try:
        single_try_client("sesv2").send_email(
            FromEmailAddress=setting("SENDER"),
            Destination={"ToAddresses": [email]},
            Content={
                "Simple": {
                    "Subject": {"Data": f"{SITE_ID}: confirm your e-mail address"},
                    "Body": {"Text": {"Data": body}},
                }
            },
        )
    except (BotoCoreError, ClientError) as error:
        # The service's own text names the recipient.
        code = error_code(error)
        if code not in REFUSALS or _is_about_sender(error):
            logger.error("the confirmation was not mailed", extra={"code": code or type(error).__name__})
            if isinstance(error, NOT_CONNECTED):
                return False
            if isinstance(error, ClientError) and error.response["ResponseMetadata"]["HTTPStatusCode"] < 500:
                return False
            raise not_mailed() from None
        logger.warning("the confirmation was refused", extra={"code": code})
        metrics.add_metric(name="ConfirmationRefused", unit="Count", value=1)
    return True


def _is_about_sender(error: Exception) -> bool:
    """SES refuses a sender that is not confirmed as it does a recipient, and names which.

    https://docs.aws.amazon.com/ses/latest/dg/troubleshoot-error-messages.html
    """
    return setting("SENDER").casefold() in str(error).casefold()


def not_mailed() -> RetryLater:
    return RetryLater(RETRY_SECONDS, "The confirmation cannot be mailed now; repeat the request", "NOT_MAILED")

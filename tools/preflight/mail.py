"""SES: its sandbox, and the sender of voucher mails."""

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from tools.preflight.account import Account
from tools.preflight.findings import LATER, MISSING, OK, Finding, error_code

# The verification status of an address or domain: https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_GetEmailIdentity.html
CONFIRMED = "SUCCESS"
CONFIRMATION = {
    CONFIRMED: "is confirmed",
    "PENDING": "waits for its confirmation",
    "FAILED": "was not confirmed in time",
    "TEMPORARY_FAILURE": "may be confirmed: SES has no current status",
    "NOT_STARTED": "has no confirmation request",
}


def mail(account: Account) -> Iterator[Finding]:
    """The sandbox of SES, and the status of the sender."""
    if not account.of_type("AWS::SES::EmailIdentity"):
        return
    client = account.client("sesv2")
    ses_account = client.get_account()
    if not ses_account["SendingEnabled"]:
        yield Finding(
            LATER,
            "SES does not send mails: the account's sending is paused",
            "See https://docs.aws.amazon.com/ses/latest/dg/faqs-enforcement.html",
        )
    yield _sandbox(ses_account)
    sender = account.parameters.get("MailFrom", "")
    if not sender or sender.endswith("@example.com"):
        yield Finding(
            MISSING,
            "the sender of voucher mails is not set",
            f'Add "MailFrom=vouchers@<your domain>" to parameter_overrides of {account.stage} in samconfig.toml.',
        )
        return
    yield _sender(client, sender)


def _sandbox(ses_account: dict[str, Any]) -> Finding:
    if ses_account["ProductionAccessEnabled"]:
        return Finding(OK, "SES is out of its sandbox: it sends to all recipients")
    what = "SES is in its sandbox: it sends only to confirmed addresses"
    review = ses_account.get("Details", {}).get("ReviewDetails", {})
    support_case = f"support case {review.get('CaseId', '')}".strip()
    match review.get("Status"):
        case "PENDING":
            return Finding(
                LATER,
                f"{what}; AWS is reviewing the request for production access",
                f"Wait for AWS's decision in {support_case}.",
            )
        case "DENIED":
            return Finding(LATER, f"{what}; AWS has denied production access", f"Reply to AWS in {support_case}.")
    return Finding(
        LATER,
        what,
        "aws sesv2 put-account-details --production-access-enabled --mail-type TRANSACTIONAL --website-url https://..."
        "; until AWS has agreed, recipients too: aws sesv2 create-email-identity --email-identity <recipient>",
    )


def _sender(client: Any, sender: str) -> Finding:
    """The stack creates an identity of the sender, and fails if it exists. Addresses of a confirmed domain need no link."""
    status, domains = _confirmation(client, sender), _domains(client, sender)
    confirmed = next((name for name, state in domains.items() if state == CONFIRMED), "")
    if status:
        after = (
            f"its domain {confirmed} stays confirmed" if confirmed else "SES sends it a mail whose link must be opened"
        )
        return Finding(
            MISSING,
            f"the sender {sender} already exists in SES and {CONFIRMATION[status]}: the stack cannot create it",
            f"aws sesv2 delete-email-identity --email-identity {sender}; the deployment creates it again: {after}. "
            "If another application uses it, set another MailFrom.",
        )
    if confirmed:
        return Finding(
            OK, f"the sender {sender} is not in SES yet; its domain {confirmed} is confirmed, so mails are sent"
        )
    what = (
        f"the sender {sender} is not in SES yet: the deployment creates it, and SES refuses mails until it is confirmed"
    )
    states = "".join(f"; its domain {name} {CONFIRMATION[state]}" for name, state in domains.items())
    return Finding(
        LATER, what + states, f"After the deployment open the link that AWS sends to {sender}, within 24 hours."
    )


def _domains(client: Any, sender: str) -> dict[str, str]:
    """The status of the sender's domain and of its parent domains, which confirm it as well, if SES knows them."""
    labels = sender.rpartition("@")[2].split(".")
    names = [".".join(labels[start:]) for start in range(len(labels) - 1)]
    return {name: status for name in names if (status := _confirmation(client, name))}


def _confirmation(client: Any, identity: str) -> str:
    """A key of ``CONFIRMATION``; empty if SES does not know the address or domain."""
    try:
        return str(client.get_email_identity(EmailIdentity=identity)["VerificationStatus"])
    except ClientError as error:
        if error_code(error) != "NotFoundException":
            raise
        return ""

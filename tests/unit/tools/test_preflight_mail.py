"""``make preflight``: the sender of mails, and the sandbox of SES."""

import boto3
import pytest

from model.settings import REGION
from tests.unit.tools.preflight_account import SETTINGS, Answer, levels, look
from tools.preflight import mail
from tools.preflight.findings import LATER, MISSING, OK, UNKNOWN


@pytest.mark.parametrize("sender", ["", "vouchers@example.com"])
def test_a_sender_of_mails_has_to_be_set(sender: str):
    assert levels(look(mail.mail, settings={"MailFrom": sender}), MISSING) == ["the sender of voucher mails is not set"]


SENDER = SETTINGS["MailFrom"]


def ses(**states: str) -> dict[str, Answer]:
    """Responses of SES with these identities: the sender's ``address``, its ``domain``, and the domain ``above``."""
    names = {"address": SENDER, "domain": "shop.example.org", "above": "example.org"}
    known = {names[name]: {"VerificationStatus": status} for name, status in states.items()}
    return {"GetEmailIdentity": lambda call: known.get(call["EmailIdentity"], "NotFoundException")}


@pytest.mark.parametrize(
    ("states", "level", "says"),
    [
        (
            {},
            LATER,
            f"{SENDER} is not in SES yet: the deployment creates it, and SES refuses mails until it is confirmed",
        ),
        ({"domain": "PENDING"}, LATER, "confirmed; its domain shop.example.org waits for its confirmation"),
        ({"domain": "FAILED", "above": "PENDING"}, LATER, "was not confirmed in time; its domain example.org waits"),
        ({"domain": "SUCCESS"}, OK, "not in SES yet; its domain shop.example.org is confirmed, so mails are sent"),
        ({"domain": "FAILED", "above": "SUCCESS"}, OK, "its domain example.org is confirmed"),
        *(
            ({"address": status}, MISSING, f"{SENDER} already exists in SES and {state}: the stack cannot create it")
            for status, state in mail.CONFIRMATION.items()
        ),
    ],
)
def test_the_state_of_the_sender_is_reported(states: dict[str, str], level: str, says: str):
    (finding,) = [finding for finding in look(mail.mail, ses(**states)) if SENDER in finding.what]
    assert finding.level == level
    assert says in finding.what
    assert level == OK or SENDER in finding.remedy


@pytest.mark.parametrize(
    ("states", "says"),
    [
        ({"address": "SUCCESS"}, "SES sends it a mail whose link must be opened"),
        ({"address": "PENDING", "domain": "SUCCESS"}, "its domain shop.example.org stays confirmed"),
    ],
)
def test_the_remedy_for_an_existing_sender_deletes_it_or_sets_another(states: dict[str, str], says: str):
    """CloudFormation can import a resource only into an existing stack."""
    (finding,) = [finding for finding in look(mail.mail, ses(**states)) if finding.level == MISSING]
    assert finding.remedy.startswith(f"aws sesv2 delete-email-identity --email-identity {SENDER};")
    assert says in finding.remedy
    assert "another MailFrom" in finding.remedy


def test_every_verification_status_of_ses_has_a_text():
    model = boto3.client("sesv2", region_name=REGION).meta.service_model
    assert set(mail.CONFIRMATION) == set(model.shape_for("VerificationStatus").enum)


@pytest.mark.parametrize(
    ("review", "says", "remedy"),
    [
        ({}, "only to confirmed addresses", "--production-access-enabled"),
        ({"Status": "FAILED"}, "only to confirmed addresses", "--production-access-enabled"),
        ({"Status": "PENDING", "CaseId": "17"}, "reviewing the request", "Wait for AWS's decision in support case 17."),
        ({"Status": "DENIED", "CaseId": "17"}, "denied production access", "Reply to AWS in support case 17."),
    ],
)
def test_the_finding_about_the_sandbox_has_its_remedy(review: dict[str, str], says: str, remedy: str):
    account = {"SendingEnabled": True, "ProductionAccessEnabled": False, "Details": {"ReviewDetails": review}}
    (finding,) = [finding for finding in look(mail.mail, {"GetAccount": account}) if "sandbox" in finding.what]
    assert finding.level == LATER
    assert says in finding.what
    assert remedy in finding.remedy


def test_an_account_outside_the_sandbox_is_reported():
    assert levels(look(mail.mail), OK) == ["SES is out of its sandbox: it sends to all recipients"]


def test_a_missing_permission_to_read_the_sender_is_reported():
    findings = look(responses={"GetEmailIdentity": "AccessDeniedException"})
    assert "mail: these credentials may not call GetEmailIdentity" in levels(findings, UNKNOWN)

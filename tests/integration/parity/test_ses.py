"""The patches of ``local.emulator.patches.ses``, beside an emulator without patches."""

import pytest

from model.settings import ACCOUNT_ID, REGION
from tests.integration.two_emulators import Cloud, allow, error_code

pytestmark = pytest.mark.local_only("it starts emulators of its own")


def test_mail_sender(plain: Cloud, patched: Cloud):
    def denial_code(cloud: Cloud, sender: str) -> str:
        identities = f"arn:aws:ses:{REGION}:{ACCOUNT_ID}:identity/*"
        session = cloud.session(allow("ses:SendEmail", identities, StringEquals={"ses:FromAddress": "a@example.com"}))
        mail = {"Simple": {"Subject": {"Data": "probe"}, "Body": {"Text": {"Data": "probe"}}}}
        to = {"ToAddresses": ["b@example.com"]}
        return error_code(cloud.aws("sesv2", session).send_email, FromEmailAddress=sender, Destination=to, Content=mail)

    assert denial_code(plain, "a@example.com") == "AccessDeniedException"
    # Allowed, and then not verified.
    assert denial_code(patched, "a@example.com") == "MessageRejected"
    assert denial_code(patched, "c@example.com") == "AccessDeniedException"

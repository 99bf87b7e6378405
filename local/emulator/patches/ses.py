"""Patches of SES."""

import json

from local.emulator.patch import NoLongerNeeded, patch
from local.emulator.patches.iam import resolve_condition_key


@patch(
    "mail-sender",
    area="permissions",
    aws="a mail is authorized by the identity of its sender, and a policy can limit ses:FromAddress",
    emulator=(
        "it is authorized as a mail of any identity, and the condition key is unknown: the policy denies all mails"
    ),
    reason="the policy of vouchers allows mails from one address only",
    upstream="not reported",
)
def authorize_mails_by_sender() -> None:
    from ministack.core import iam_actions

    if "outbound-emails" in iam_actions._SES_V2_RESOURCES:
        raise NoLongerNeeded("mails are authorized by their sender")
    resource_arn = iam_actions._ses_v2_resource_arn

    def sender(method: str, path: str, body: bytes, region: str, account_id: str) -> str:
        if not path.endswith("/outbound-emails"):
            return resource_arn(method, path, body, region, account_id)
        return f"arn:aws:ses:{region}:{account_id}:identity/{json.loads(body).get('FromEmailAddress', '')}"

    iam_actions._ses_v2_resource_arn = sender
    resolve_condition_key("ses:FromAddress", lambda context: context.resource_arn.rpartition("/")[2])

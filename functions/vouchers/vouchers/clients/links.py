"""Links to the file of a batch that are signed by a role with access to files only, in a session with access to one file.

A link expires with the credentials that signed it, and those of a role that was assumed by another role expire after an hour.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-presigned-url.html
"""

import json
from datetime import UTC, datetime, timedelta

from setpieces.aws import client
from setpieces.settings import setting
from setpieces.signed_links import signing_client
from setpieces.times import to_rfc3339
from vouchers.domain.batches import Batch
from vouchers.domain.links import MAX_LINK_SECONDS, Link

# A link expires before its credentials do, so that ``expires_at`` is always true.
MARGIN_SECONDS = 30


def create_signed_link(batch: Batch, seconds: int) -> Link:
    """A link by which its holder can read the file of a batch, and nothing else, for ``seconds``."""
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"{setting('BUCKET_ARN')}/{batch['file_key']}"},
            {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": setting("KMS_KEY_ARN")},
        ],
    }
    credentials = client("sts").assume_role(
        RoleArn=setting("SIGNER_ROLE_ARN"),
        RoleSessionName=batch["batch_id"],
        DurationSeconds=MAX_LINK_SECONDS,
        Policy=json.dumps(policy),
    )["Credentials"]
    signer = signing_client(
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
    )
    lifetime = timedelta(seconds=min(seconds, MAX_LINK_SECONDS - MARGIN_SECONDS))
    expires_at = datetime.now(UTC).replace(microsecond=0) + lifetime
    url = signer.generate_presigned_url(
        "get_object",
        Params={
            "Bucket": setting("BUCKET_NAME"),
            "Key": batch["file_key"],
            "ResponseContentDisposition": f'attachment; filename="{batch["batch_id"]}.csv"',
            "ResponseContentType": "text/csv",
        },
        ExpiresIn=int(lifetime.total_seconds()),
    )
    return {"url": url, "expires_at": to_rfc3339(expires_at)}

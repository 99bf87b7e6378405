"""Links to a batch's file: signed by a role that may read nothing else, for as long as they say and no longer.

A link dies with the credentials that signed it, whatever life it was given, and those of a role that was assumed from another
role last an hour at most. https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-presigned-url.html
"""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from setpieces.aws import client
from setpieces.settings import setting
from setpieces.signed_links import signing_client

MAX_SECONDS = 3600


def sign(batch: dict[str, Any], seconds: int) -> dict[str, str]:
    """{url, expires_at (RFC 3339)}: whoever holds the link reads the batch's file until then, and nothing else ever."""
    file = f"{setting('BUCKET_ARN')}/{batch['file_key']}"
    # The role may read every file; this session of it, one.
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "s3:GetObject", "Resource": file},
            {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": setting("KMS_KEY_ARN")},
        ],
    }
    session = client("sts").assume_role(
        RoleArn=setting("SIGNER_ROLE_ARN"),
        RoleSessionName=batch["batch_id"],
        DurationSeconds=MAX_SECONDS,
        Policy=json.dumps(policy),
    )["Credentials"]
    signer = signing_client(
        aws_access_key_id=session["AccessKeyId"],
        aws_secret_access_key=session["SecretAccessKey"],
        aws_session_token=session["SessionToken"],
    )
    # Half a minute less than the credentials have, so that a link never promises more than it keeps.
    life = timedelta(seconds=min(seconds, MAX_SECONDS - 30))
    expires_at = datetime.now(UTC).replace(microsecond=0) + life
    url = signer.generate_presigned_url(
        "get_object",
        Params={
            "Bucket": setting("BUCKET_NAME"),
            "Key": batch["file_key"],
            "ResponseContentDisposition": f'attachment; filename="{batch["batch_id"]}.csv"',
            "ResponseContentType": "text/csv",
        },
        ExpiresIn=int(life.total_seconds()),
    )
    return {"url": url, "expires_at": expires_at.strftime("%Y-%m-%dT%H:%M:%SZ")}

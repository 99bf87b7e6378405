"""Signed links to objects in S3."""

from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

# Without "virtual", botocore signs for the global host <bucket>.s3.amazonaws.com, whatever the region. For up to a day after a
# bucket was created that host redirects to the region's own, and because the host is signed, no redirected request is valid.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/Redirects.html, https://github.com/boto/boto3/issues/4651
_CONFIG = Config(signature_version="s3v4", s3={"addressing_style": "virtual"})


def signing_client(**credentials: Any) -> "S3Client":
    """An S3 client for links that name the regional host, signed with ``credentials`` or with the function's own."""
    return boto3.client("s3", config=_CONFIG, **credentials)

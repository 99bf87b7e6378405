"""Signed links to put one feed, and to get the error files of one. They act as the function that made them.

Whoever has a link can use it until it ends; the credentials that signed it may end earlier.
"""

from functools import cache
from typing import Any

from setpieces.settings import setting
from setpieces.signed_links import signing_client

UPLOAD_SECONDS = 900
DOWNLOAD_SECONDS = 300


@cache
def _signer() -> Any:
    return signing_client()


def upload(key: str) -> str:
    """For a PUT with the feed as its body."""
    target = {"Bucket": setting("BUCKET_NAME"), "Key": key}
    return str(_signer().generate_presigned_url("put_object", Params=target, ExpiresIn=UPLOAD_SECONDS))


def download(key: str) -> str:
    """For a GET of one error file."""
    source = {"Bucket": setting("BUCKET_NAME"), "Key": key}
    return str(_signer().generate_presigned_url("get_object", Params=source, ExpiresIn=DOWNLOAD_SECONDS))

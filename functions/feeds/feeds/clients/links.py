"""Signed links to upload a feed and to download its error files.

A link has the permissions of the function that signed it, for everyone who has the link, until it expires; it may end earlier,
with the function's credentials.
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


def upload_link(key: str) -> str:
    """A link to PUT a feed, with the feed as the body."""
    return _sign("put_object", key, UPLOAD_SECONDS)


def download_link(key: str) -> str:
    """A link to GET an error file."""
    return _sign("get_object", key, DOWNLOAD_SECONDS)


def _sign(operation: str, key: str, seconds: int) -> str:
    parameters = {"Bucket": setting("BUCKET_NAME"), "Key": key}
    return str(_signer().generate_presigned_url(operation, Params=parameters, ExpiresIn=seconds))

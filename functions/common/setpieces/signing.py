"""Signatures of the function's own role for APIs that require IAM (``execute-api:Invoke``)."""

from functools import cache
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest


@cache
def _session() -> Any:
    return boto3.Session()


def sign_request(method: str, url: str, payload: str | None, headers: dict[str, str]) -> dict[str, str]:
    """``headers`` with those that sign the request (AWS Signature Version 4)."""
    request = AWSRequest(method=method, url=url, data=payload, headers={"Host": urlsplit(url).netloc, **headers})
    SigV4Auth(_session().get_credentials(), "execute-api", _session().region_name).add_auth(request)
    return dict(request.headers)

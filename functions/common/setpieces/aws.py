"""AWS clients, made once per process, whose waiting fits inside a request.

botocore waits 60 s for an answer by default, longer than API Gateway waits for the function. Two tries of at most 1 s to
connect and 2 s to read keep one call below the 5 s that request-path functions have.
"""

from functools import cache
from typing import Any

import boto3
from botocore.config import Config

CONFIG = Config(
    connect_timeout=1,
    read_timeout=2,
    retries={"mode": "standard", "total_max_attempts": 2},
    max_pool_connections=16,
)


@cache
def client(service: str) -> Any:
    """The process's client of an AWS service, e.g. ``client("dynamodb")``."""
    return boto3.client(service, config=CONFIG)


def error_code(error: Exception) -> str:
    """The service's own code of a ``botocore.exceptions.ClientError``, e.g. ``ConditionalCheckFailedException``."""
    return getattr(error, "response", {}).get("Error", {}).get("Code", "")

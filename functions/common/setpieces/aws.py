"""AWS clients, created once per process, whose timeouts fit into a request.

botocore waits 60 s for an answer by default, longer than API Gateway waits for the function. Two tries of at most 1 s to
connect and 2 s to read keep one call below the 5 s that request-path functions have.
"""

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, cast

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionError, HTTPClientError

if TYPE_CHECKING:
    from setpieces.aws_clients import ClientFactory

CONFIG = Config(
    connect_timeout=1,
    read_timeout=2,
    retries={"mode": "standard", "total_max_attempts": 2},
    max_pool_connections=16,
)


_REFUSED_FOR_NOW = (
    "Throttl",
    "ThroughputExceeded",
    "RequestLimitExceeded",
    "TransactionInProgress",
    "TransactionConflict",
)


class AwsUnavailable(Exception):
    """An AWS service is temporarily unable to carry out a request."""


def _once(create: Callable[[str], Any]) -> "ClientFactory":
    """One client of each service per process."""
    return cast("ClientFactory", cache(create))


@_once
def client(service: str) -> Any:
    """The process's client of an AWS service, e.g. ``client("dynamodb")``."""
    return boto3.client(service, config=CONFIG)


@_once
def patient_client(service: str) -> Any:
    """A client with a long timeout, for bulk work and the simulators of external systems."""
    return boto3.client(service, config=CONFIG.merge(Config(read_timeout=20)))


@_once
def single_try_client(service: str) -> Any:
    """A client without retries and with a long timeout, for calls that must not be repeated."""
    return boto3.client(service, config=CONFIG.merge(Config(read_timeout=6, retries={"total_max_attempts": 1})))


def error_code(error: Exception) -> str:
    """The service's own code of a ``botocore.exceptions.ClientError``, e.g. ``ConditionalCheckFailedException``."""
    return (getattr(error, "response", None) or {}).get("Error", {}).get("Code", "")


def cancellation_codes(error: ClientError) -> list[str]:
    """The code of each item of a DynamoDB transaction that was cancelled, "None" for one without fault; [] of other errors.

    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
    """
    return [reason.get("Code") or "None" for reason in error.response.get("CancellationReasons") or ()]


def is_throttled(error: ClientError) -> bool:
    """True if AWS refused the call because of throttling or of another transaction in progress.

    A DynamoDB transaction that is refused for one of these is a 400 ``TransactionCanceledException``.
    """
    codes = [error_code(error), *cancellation_codes(error)]
    return any(word in code for code in codes for word in _REFUSED_FOR_NOW)


def is_unavailable(error: BaseException | None) -> bool:
    """True if AWS was unreachable, timed out or throttled, also if that is the cause of ``error``."""
    match error:
        case None:
            return False
        case ConnectionError() | HTTPClientError() | AwsUnavailable():
            return True
        case ClientError():
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            return is_throttled(error) or status == 429 or status >= 500
        case _:
            return is_unavailable(error.__cause__)

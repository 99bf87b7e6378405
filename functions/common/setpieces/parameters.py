"""Addresses of other services and external systems, from Parameter Store.

Everything others need is published as ``/setpieces/<stage>/<service>/<name>``; reading it at run time (and not at deploy
time) lets an operator point a stage at another system without a deployment. A value is read again after five minutes at most.
While Parameter Store is slow, down or throttles (40 reads a second for the whole account), the last value is used.
"""

import random
import time
from functools import cache
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from setpieces.aws import CONFIG, is_unavailable
from setpieces.errors import RETRY_SECONDS, ExternalUnavailable
from setpieces.observability import logger
from setpieces.settings import STAGE

# Random, so that instances that started together do not refresh together.
MAX_AGE_SECONDS = (240, 300)
# Timeouts to connect to Parameter Store and to read its answer: without a value, and with an old one. The call that needs the
# value has one deadline for both, and must not fail while there is a value.
WAIT_SECONDS = 1
REFRESH_SECONDS = 0.2
# How long the last value is used after a failure before the next read.
PAUSE_SECONDS = (10, 20)
# An instance without a value reads twice.
FIRST_TRIES = 2
TRY_AGAIN_SECONDS = (0.1, 0.3)

# (value, time of the next read) by parameter: in wall-clock time, which includes the time of a freeze.
_values: dict[str, tuple[str, float]] = {}


def read_parameter(service: str, name: str) -> str:
    """The value of ``/setpieces/<stage>/<service>/<name>``, e.g. ``read_parameter("partners", "commerce-url")``.

    Raises ``ExternalUnavailable`` if Parameter Store does not answer and this instance has no value yet; ``ClientError`` if
    nothing is published there or the function may not read it.
    """
    parameter = f"/setpieces/{STAGE}/{service}/{name}"
    value, fresh_until = _values.get(parameter, ("", 0.0))
    if value and time.time() < fresh_until:
        return value
    try:
        tries, wait = (1, REFRESH_SECONDS) if value else (FIRST_TRIES, WAIT_SECONDS)
        value, seconds = _read(parameter, tries, wait), random.uniform(*MAX_AGE_SECONDS)
    except ExternalUnavailable as error:
        if not value:
            raise
        logger.warning("the last address is used", extra={"parameter": parameter, "reason": str(error)})
        seconds = random.uniform(*PAUSE_SECONDS)
    _values[parameter] = value, time.time() + seconds
    return value


def _read(parameter: str, tries: int, wait: float) -> str:
    try:
        return str(_client(wait).get_parameter(Name=parameter)["Parameter"]["Value"])
    except (BotoCoreError, ClientError) as error:
        if not is_unavailable(error):
            raise
        if tries == 1:
            # With ``retry_after``: callers that retry at once would multiply the reads.
            reason = f"{parameter} cannot be read: {error}"
            raise ExternalUnavailable("ssm", reason, retry_after=RETRY_SECONDS) from error
    time.sleep(random.uniform(*TRY_AGAIN_SECONDS))
    return _read(parameter, tries - 1, wait)


@cache
def _client(wait: float) -> Any:
    config = Config(connect_timeout=wait, read_timeout=wait, retries={"total_max_attempts": 1})
    return boto3.client("ssm", config=CONFIG.merge(config))

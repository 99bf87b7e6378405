"""The rates last fetched from the tax system: {id: "rates", rates: {country: basis points}, rate_version, fetched_at}."""

import time
from typing import TypedDict, cast

from botocore.exceptions import BotoCoreError, ClientError

from setpieces import dynamodb
from setpieces.errors import RETRY_SECONDS, RetryLater
from setpieces.observability import logger
from setpieces.settings import setting
from tax.domain import default_rates

KEY = {"id": "rates"}


class StoredRates(TypedDict):
    """``rates`` are in basis points by country, ``fetched_at`` is in epoch seconds."""

    id: str
    rates: dict[str, int]
    rate_version: str
    fetched_at: int


def load_rates() -> tuple[dict[str, int], str]:
    """(rates, version) last fetched, or the default ones if none were ever fetched.

    Raises ``RetryLater`` TAX_UNAVAILABLE if the table is unavailable: default rates may be older than the stored ones.
    """
    try:
        stored = cast(StoredRates | None, dynamodb.get(setting("TABLE_NAME"), KEY))
    except (ClientError, BotoCoreError) as error:
        logger.warning("the rates cannot be read", extra={"reason": str(error)})
        detail = "Neither the tax system nor the cached rates can be reached"
        raise RetryLater(RETRY_SECONDS, detail, "TAX_UNAVAILABLE") from error
    if not stored:
        return default_rates.RATES, default_rates.VERSION
    return stored["rates"], stored["rate_version"]


def store_rates(rates: dict[str, int], rate_version: str) -> None:
    """Store rates, for quotations while the tax system is down."""
    item = KEY | {"rates": rates, "rate_version": rate_version, "fetched_at": int(time.time())}
    dynamodb.put_if(setting("TABLE_NAME"), item)

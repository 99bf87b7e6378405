"""The sequences service, which numbers orders."""

from setpieces import signed_client
from setpieces.errors import RETRY_SECONDS, ExternalUnavailable, RetryLater
from setpieces.observability import logger, metrics

TIMEOUT_SECONDS = 2.0
# The counter ends here: schemas/api/sequences.yaml.
LAST_NUMBER = 999_999_999_999


def next_order_number() -> str:
    """A new order number such as T100000001. Raises ``RetryLater`` ORDERS_UNAVAILABLE."""
    try:
        # A number that is lost with its answer leaves a gap.
        answer = signed_client.call(
            "sequences", "POST", "/v1/sequences/order/next", timeout=TIMEOUT_SECONDS, repeatable=True
        )
    except ExternalUnavailable as error:
        raise _unavailable() from error
    if answer.status != 200:
        logger.error("no order number", extra={"status": answer.status})
        raise _unavailable()
    metrics.add_metric(name="OrderNumbersUsed", unit="Percent", value=100 * answer.body["value"] / LAST_NUMBER)
    return str(answer.body["formatted"])


def _unavailable() -> RetryLater:
    return RetryLater(RETRY_SECONDS, "Orders cannot be numbered at the moment", "ORDERS_UNAVAILABLE")

"""Every hour: fetch the rates that quotations fall back on. A failure keeps the old ones and is tried again in an hour."""

from typing import Any

from setpieces import observability
from setpieces.observability import logger, observed
from tax.clients import list_rates
from tax.repository.rates import keep_rates


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, str]:
    """{"rate_version"}; raises ``ExternalUnavailable``, which the function's error alarm sees."""
    observability.begin(None)
    rates, version = list_rates()
    keep_rates(rates, version)
    logger.info("rates refreshed", extra={"rate_version": version, "countries": len(rates)})
    return {"rate_version": version}

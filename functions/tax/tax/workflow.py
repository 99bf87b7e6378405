"""A quotation in any case: from the tax system if it answers in time, otherwise from the rates that it gave last."""

import time
from datetime import UTC, datetime
from typing import Any

from setpieces.errors import ExternalUnavailable, Refused
from setpieces.observability import count, logger
from tax import clients
from tax.clients import QuotationRefused
from tax.domain.circuit import Admission
from tax.domain.quotations import QuoteTax, quote_from_rates
from tax.repository.circuit import claim_probe, load_circuit, record_failure, record_success
from tax.repository.rates import load_rates


def quote_tax(command: QuoteTax) -> dict[str, Any]:
    """{tax_total, lines, source, rate_version, quoted_at}; ``source`` is ``quotation`` or ``cached_rates``.

    Raises ``Refused`` UNKNOWN_JURISDICTION, and ``RetryLater`` TAX_UNAVAILABLE if there is neither an answer nor a rate.
    """
    quotation = _request_quotation(command)
    if quotation is None:
        count("FallbackUsed")
        quotation = quote_from_rates(command, *load_rates())
    count("QuotationGiven")
    return quotation | {"quoted_at": datetime.now(UTC).isoformat(timespec="seconds")}


def _request_quotation(command: QuoteTax) -> dict[str, Any] | None:
    """The tax system's quotation; None if the circuit is open or it gives no usable answer.

    Raises ``Refused`` UNKNOWN_JURISDICTION.
    """
    circuit = load_circuit()
    admission = circuit.admission(time.time())
    if admission is Admission.REFUSE or (admission is Admission.PROBE and not claim_probe(circuit)):
        return None
    try:
        quotation = clients.request_quotation(command)
    except QuotationRefused as refusal:
        # The system works; its refusal of one request must not open the circuit for all others.
        logger.warning("the tax system refused a request", extra={"reason": str(refusal)})
        record_success(admission)
        return None
    except ExternalUnavailable as error:
        # If Parameter Store did not answer, the tax system was not called and has not failed.
        if error.system == clients.SYSTEM:
            circuit = record_failure(admission)
        logger.warning(
            "the tax system gave no quotation", extra={"reason": str(error), "circuit_open": circuit.is_open}
        )
        return None
    except Refused:
        # A refusal is an answer.
        record_success(admission)
        raise
    record_success(admission)
    return quotation

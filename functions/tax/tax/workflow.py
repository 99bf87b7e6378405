"""A quotation whatever happens: of the tax system if it answers in time, else from the rates that it gave last."""

import time
from datetime import UTC, datetime
from typing import Any

from setpieces.errors import ExternalUnavailable, Refused
from setpieces.observability import count, logger, metrics
from tax import clients
from tax.clients import NotQuoted
from tax.domain.rules import QuoteTax, from_rates
from tax.repository import rates as rates_module
from tax.repository.circuit import Admission


def quotation(command: QuoteTax) -> dict[str, Any]:
    """{tax_total, lines, source, rate_version, quoted_at}; ``source`` says which it was.

    Raises ``Refused`` 422 for an unknown destination, 503 if there are neither answers nor rates.
    """
    answer = _asked(command)
    if answer is None:
        metrics.add_metric(name="FallbackUsed", unit="Count", value=1)
        answer = from_rates(command, *rates_module.rates())
    count("QuotationGiven")
    return answer | {"quoted_at": datetime.now(UTC).isoformat(timespec="seconds")}


def _asked(command: QuoteTax) -> dict[str, Any] | None:
    """What the tax system says; None if it is left alone or gives no usable answer. Raises ``Refused`` 422."""
    circuit = rates_module.circuit()
    admission = circuit.admission(time.time())
    if admission is Admission.REFUSE or (admission is Admission.PROBE and not rates_module.claim_probe(circuit)):
        return None
    try:
        answer = clients.quote(command)
    except NotQuoted as refusal:
        # It works and does not like this one request, which must not close the way for all the others.
        logger.warning("the tax system refused a request", extra={"reason": str(refusal)})
        rates_module.succeeded(admission)
        return None
    except ExternalUnavailable as error:
        # Parameter Store may be what did not answer: then the tax system was not called, and has not failed.
        known = rates_module.failed(admission) if error.system == clients.SYSTEM else circuit
        logger.warning("the tax system gave no quotation", extra={"reason": str(error), "circuit_open": known.is_open})
        return None
    except Refused:
        # A refusal is an answer.
        rates_module.succeeded(admission)
        raise
    rates_module.succeeded(admission)
    return answer

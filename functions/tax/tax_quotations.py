"""A quotation whatever happens: of the tax system if it answers in time, else from the rates that it gave last."""

import time
from datetime import UTC, datetime
from typing import Any

import tax_system
import tax_table
from tax_circuit import Admission
from tax_rules import from_rates
from tax_system import NotQuoted

from setpieces.observability import count, logger, metrics
from setpieces.outside import OutsideUnavailable
from setpieces.problems import Problem


def quotation(request: dict[str, Any]) -> dict[str, Any]:
    """{tax_total, lines, source, rate_version, quoted_at}; ``source`` says which it was.

    Raises ``Problem`` 422 for an unknown destination, 503 if there are neither answers nor rates.
    """
    answer = _asked(request)
    if answer is None:
        metrics.add_metric(name="FallbackUsed", unit="Count", value=1)
        answer = from_rates(request, *tax_table.rates())
    count("QuotationGiven")
    return answer | {"quoted_at": datetime.now(UTC).isoformat(timespec="seconds")}


def _asked(request: dict[str, Any]) -> dict[str, Any] | None:
    """What the tax system says; None if it is left alone or gives no usable answer. Raises ``Problem`` 422."""
    circuit = tax_table.circuit()
    admission = circuit.admission(time.time())
    if admission is Admission.REFUSE or (admission is Admission.PROBE and not tax_table.claim_probe(circuit)):
        return None
    try:
        answer = tax_system.quote(request)
    except NotQuoted as refusal:
        # It works and does not like this one request, which must not close the way for all the others.
        logger.warning("the tax system refused a request", extra={"reason": str(refusal)})
        tax_table.succeeded(admission)
        return None
    except OutsideUnavailable as error:
        # Parameter Store may be what did not answer: then the tax system was not called, and has not failed.
        known = tax_table.failed(admission) if error.system == tax_system.SYSTEM else circuit
        logger.warning("the tax system gave no quotation", extra={"reason": str(error), "circuit_open": known.is_open})
        return None
    except Problem:
        # A refusal is an answer.
        tax_table.succeeded(admission)
        raise
    tax_table.succeeded(admission)
    return answer

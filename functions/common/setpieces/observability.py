"""Structured logs, EMF metrics and X-Ray traces, all carrying one correlation id.

The correlation id enters with the request (``X-Correlation-Id``) or the event (``meta_data.correlation_id``), is put on
every log line and as an annotation on the trace, and travels on with every call and event that the request causes.
"""

import re
import warnings
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from aws_lambda_powertools.logging import Logger
from aws_lambda_powertools.metrics import Metrics
from aws_lambda_powertools.tracing import Tracer

from setpieces.settings import SERVICE

CORRELATION_HEADER = "X-Correlation-Id"
_WELL_FORMED = re.compile(r"[A-Za-z0-9._:-]{1,64}")

# Most requests have nothing to count; Powertools' own advice is to silence its warning about that.
warnings.filterwarnings("ignore", "No application metrics to publish*")

logger = Logger(service=SERVICE, use_rfc3339=True, utc=True)
metrics = Metrics(namespace="SetPieces", service=SERVICE)
# Patching only botocore keeps the tracer from importing every HTTP and database library it knows.
tracer = Tracer(service=SERVICE, patch_modules=("botocore",))

_correlation_id = ""


def observed(handler: Callable[[dict[str, Any], Any], Any]) -> Callable[[dict[str, Any], Any], Any]:
    """A Lambda handler whose log lines name its request, whose metrics are flushed, and which is a segment of the trace."""
    return tracer.capture_lambda_handler(
        metrics.log_metrics(logger.inject_lambda_context(handler), raise_on_empty_metrics=False), capture_response=False
    )


def count(outcome: str, value: float = 1) -> None:
    """Count a business outcome after it is stored. A repeated request may count it again."""
    metrics.add_metric(name=outcome, unit="Count", value=value)


def set_correlation_id(correlation_id: str | None) -> str:
    """Start the work of one request or record under ``correlation_id``; a missing or malformed one is replaced."""
    global _correlation_id
    well_formed = correlation_id and _WELL_FORMED.fullmatch(correlation_id)
    _correlation_id = correlation_id if correlation_id and well_formed else str(uuid4())
    logger.set_correlation_id(_correlation_id)
    tracer.put_annotation("correlation_id", _correlation_id)
    return _correlation_id


def correlation_id() -> str:
    """The correlation id of the work in progress."""
    return _correlation_id

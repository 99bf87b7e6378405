"""Parses requests of administrators."""

import re

from setpieces.errors import Refused
from setpieces.rest_api import Request

_CORRELATION_ID = re.compile(r"[0-9A-Za-z._:-]{1,128}")


def parse_correlation_id(request: Request) -> str:
    """The correlation id of the query, "" without one. Raises ``Refused`` INVALID_REQUEST."""
    correlation_id = request.query.get("correlation_id", "")
    if correlation_id and not _CORRELATION_ID.fullmatch(correlation_id):
        raise Refused("INVALID_REQUEST", "must be 1 to 128 letters, digits, ., _, : or -", "/correlation_id")
    return correlation_id

"""Parses events of the load balancer (a Lambda target with multi-value headers). Pure.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from redirects.domain.urls import parse_host


@dataclass(frozen=True)
class RedirectUrl:
    """``path`` and ``query`` are those of the client, percent-encoded."""

    method: str
    host: str
    path: str
    query: tuple[tuple[str, str], ...]
    correlation_id: str


def parse_redirect_url(event: Mapping[str, Any]) -> RedirectUrl:
    """Parse a request; the last value of a header counts."""
    headers = {name.lower(): values[-1] for name, values in (event.get("multiValueHeaders") or {}).items()}
    query = event.get("multiValueQueryStringParameters") or {}
    return RedirectUrl(
        method=event["httpMethod"],
        host=parse_host(headers.get("host", "")),
        path=event["path"],
        query=tuple((name, value) for name, values in query.items() for value in values),
        correlation_id=headers.get("x-correlation-id") or headers.get("x-amzn-trace-id", ""),
    )

"""Builds responses for the load balancer: redirects, and pages for every other status. Pure.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from redirects.domain.rules import Decision

_TEXTS = {
    400: "This address is not valid.",
    404: "There is nothing at this address.",
    405: "This address cannot receive data.",
    410: "The page at this address was removed.",
    503: "Redirects are not available at the moment. Try again soon.",
}


def redirect_view(decision: Decision, headers: Mapping[str, str]) -> dict[str, Any]:
    """A redirect with further ``headers``."""
    fixed = {"Location": decision.location, "Cache-Control": format_cache_control(decision)}
    return _response(decision.status, {**fixed, **headers})


def page_view(
    status: int, cache_control: str, headers: Mapping[str, str] | None = None, *, has_body: bool = True
) -> dict[str, Any]:
    """A page that explains ``status``, without its body for HEAD."""
    title = HTTPStatus(status).phrase
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>'
    main = f'<main><h1>{title}</h1><p>{_TEXTS[status]} <a href="/">To the shop</a></p></main>'
    page = f'<!doctype html><html lang="en"><head>{head}</head><body>{main}</body></html>'
    fixed = {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": "default-src 'none'",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": cache_control,
    }
    return _response(status, {**fixed, **(headers or {})}, page if has_body else "")


def format_cache_control(decision: Decision) -> str:
    """The ``Cache-Control`` header of a decision."""
    shared = f", s-maxage={decision.shared_max_age}" if decision.shared_max_age != decision.max_age else ""
    return f"public, max-age={decision.max_age}{shared}"


def _response(status: int, headers: Mapping[str, str], body: str = "") -> dict[str, Any]:
    return {
        "statusCode": status,
        "statusDescription": f"{status} {HTTPStatus(status).phrase}",
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "isBase64Encoded": False,
        "body": body,
    }

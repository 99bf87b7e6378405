"""Requests and answers as the load balancer has them (Lambda target with multi-value headers). Pure.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html
"""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from redirects.domain.paths import BadPath, Query, canonical, canonical_query, host_name
from redirects.domain.rules import GONE, KEEPS_METHOD, Decision, RedirectLoop, RuleSet

SAFE = ("GET", "HEAD")
# What no rule knows may be known a minute later.
NO_RULE = "public, max-age=60"
NEVER = "no-store"

_PAGES = {
    400: "This address cannot be read.",
    404: "There is nothing at this address.",
    405: "This address can only be looked at.",
    410: "What was at this address is gone for good.",
    503: "Redirects are not available at the moment. Try again soon.",
}


@dataclass(frozen=True)
class Request:
    """``path`` and ``query`` as the client sent them, percent-encoded."""

    method: str
    host: str
    path: str
    query: tuple[tuple[str, str], ...]
    correlation_id: str


def request_of(event: Mapping[str, Any]) -> Request:
    headers = {name.lower(): values[-1] for name, values in (event.get("multiValueHeaders") or {}).items()}
    query = event.get("multiValueQueryStringParameters") or {}
    return Request(
        event["httpMethod"],
        host_name(headers.get("host", "")),
        event["path"],
        tuple((name, value) for name, values in query.items() for value in values),
        headers.get("x-correlation-id") or headers.get("x-amzn-trace-id", ""),
    )


def answer(request: Request, rules: RuleSet | None, *, name_rules: bool) -> dict[str, Any]:
    """What to answer; ``name_rules`` says by which rules, for whoever writes them."""
    if rules is None:
        return _page(request, 503, NEVER, {"Retry-After": "5"})
    try:
        path = canonical(request.path)
    except BadPath:
        return _page(request, 400, NO_RULE)
    decision = _decision(rules, request.host, path, canonical_query(list(request.query)))
    if decision is None:
        return _page(request, 404, NO_RULE)
    headers = {"X-Redirect-Rules": " ".join(rule.id for rule in decision.rules)} if name_rules else {}
    if decision.status == GONE:
        return _page(request, GONE, _cached(decision), headers)
    if request.method not in SAFE and decision.status not in KEEPS_METHOD:
        # A client would drop the body of its POST on a 301, and send a GET: better it hears that nobody takes it.
        return _page(request, 405, NEVER, {"Allow": ", ".join(SAFE)})
    return _response(decision.status, {"Location": decision.location, "Cache-Control": _cached(decision), **headers})


def _decision(rules: RuleSet, host: str, path: str, query: Query) -> Decision | None:
    """What the rules say; rules that lead to each other lead nowhere."""
    try:
        return rules.decide(host, path, query)
    except RedirectLoop:
        return None


def _cached(decision: Decision) -> str:
    shared = f", s-maxage={decision.shared_max_age}" if decision.shared_max_age != decision.max_age else ""
    return f"public, max-age={decision.max_age}{shared}"


def _page(request: Request, status: int, cached: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    title = HTTPStatus(status).phrase
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>'
    main = f'<main><h1>{title}</h1><p>{_PAGES[status]} <a href="/">To the shop</a></p></main>'
    text = f'<!doctype html><html lang="en"><head>{head}</head><body>{main}</body></html>'
    fixed = {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": "default-src 'none'",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": cached,
    }
    return _response(status, {**fixed, **(headers or {})}, "" if request.method == "HEAD" else text)


def _response(status: int, headers: Mapping[str, str], body: str = "") -> dict[str, Any]:
    return {
        "statusCode": status,
        "statusDescription": f"{status} {HTTPStatus(status).phrase}",
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "isBase64Encoded": False,
        "body": body,
    }

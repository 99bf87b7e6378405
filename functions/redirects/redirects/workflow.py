"""Responds to a request for an old URL by the rules. Pure."""

from typing import Any

from redirects.domain.rules import GONE, KEEPS_METHOD, Decision, RedirectLoop, RuleSet
from redirects.domain.urls import InvalidPath, canonical_path, canonical_query
from redirects.requests import RedirectUrl
from redirects.views import format_cache_control, page_view, redirect_view

SAFE_METHODS = ("GET", "HEAD")
# A rule may be published for an unknown URL at any time.
CACHE_UNKNOWN = "public, max-age=60"
NO_STORE = "no-store"
RETRY_SECONDS = 5


def redirect_url(command: RedirectUrl, rules: RuleSet | None, *, show_rules: bool) -> dict[str, Any]:
    """Return a redirect, or a page: 404 without a matching rule, 410, 400 for an invalid path, 405, 503 without rules.

    ``show_rules`` adds a header with the ids of the rules that were followed, for the authors of rules.
    """
    has_body = command.method != "HEAD"
    if rules is None:
        return page_view(503, NO_STORE, {"Retry-After": str(RETRY_SECONDS)}, has_body=has_body)
    try:
        decision = _decide(command, rules)
    except InvalidPath:
        return page_view(400, CACHE_UNKNOWN, has_body=has_body)
    if decision is None:
        return page_view(404, CACHE_UNKNOWN, has_body=has_body)
    headers = {"X-Redirect-Rules": " ".join(rule.id for rule in decision.rules)} if show_rules else {}
    if decision.status == GONE:
        return page_view(GONE, format_cache_control(decision), headers, has_body=has_body)
    if command.method not in SAFE_METHODS and decision.status not in KEEPS_METHOD:
        # After a 301 or 302, clients send a GET without the body; an error is better than a lost body.
        return page_view(405, NO_STORE, {"Allow": ", ".join(SAFE_METHODS)}, has_body=has_body)
    return redirect_view(decision, headers)


def _decide(command: RedirectUrl, rules: RuleSet) -> Decision | None:
    """Return the decision, None for rules that redirect in a circle. Raises ``InvalidPath``."""
    path = canonical_path(command.path)
    try:
        return rules.decide(command.host, path, canonical_query(list(command.query)))
    except RedirectLoop:
        return None

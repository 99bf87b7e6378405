"""Rules and requests of a site with two hosts, which may redirect to a third one."""

from typing import Any

from redirects.domain.compiler import compile_rules
from redirects.domain.rules import Decision, RuleSet
from redirects.domain.urls import canonical_path, parse_query

SITE = "www.shop.example"
OLD_SITE = "old.shop.example"
SITES = {SITE, OLD_SITE}
ELSEWHERE = {"help.example.com"}


def rule(match: str = "exact", path: str = "/a", to: str | None = "/b", **members: Any) -> dict[str, Any]:
    """A rule of a rule file; its id is ``one`` by default."""
    return {"id": members.pop("id", "one"), "match": match, "from": path, **({"to": to} if to else {}), **members}


def compiled(*rules: dict[str, Any], **paths: Any) -> RuleSet:
    """The rules compiled; ``paths`` are the options for paths."""
    return compile_rules({"paths": paths, "rules": list(rules)}, SITES, ELSEWHERE)


def decide(rules: RuleSet, url: str, host: str = SITE) -> Decision | None:
    """The decision for a path with its query."""
    path, _, query = url.partition("?")
    return rules.decide(host, canonical_path(path), parse_query(query))


def location(rules: RuleSet, url: str, host: str = SITE) -> str:
    """The location for a path with its query, empty if no rule matches."""
    decision = decide(rules, url, host)
    return decision.location if decision else ""


def load_balancer_event(path: str, host: str = SITE, query: list[tuple[str, str]] | None = None) -> dict[str, Any]:
    """A GET request as a load balancer passes it to a function."""
    return {
        "httpMethod": "GET",
        "path": path,
        "multiValueQueryStringParameters": {name: [value] for name, value in query or ()},
        "multiValueHeaders": {"host": [host]},
    }

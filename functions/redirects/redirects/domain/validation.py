"""Checks a rule file before it is published. Pure.

Its form is checked by the schema; the rest by compiling the rules and by applying them to addresses of each rule.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import jsonschema

from redirects.domain.compiler import InvalidRule, compile_rules
from redirects.domain.rules import RedirectLoop, Rule, RuleSet
from redirects.domain.urls import InvalidPath, canonical_path


def find_problems(
    document: Any, schema: Mapping[str, Any], sites: Collection[str], destinations: Collection[str]
) -> list[str]:
    """Return the reasons not to publish a rule file, each with the number of its rule; empty if it may be published."""
    validator = jsonschema.Draft202012Validator(schema)
    errors = sorted(validator.iter_errors(document), key=lambda error: list(error.absolute_path))
    if errors:
        return [_describe(error) for error in errors]
    entries = document["rules"]
    problems = [*_find_repeated_ids(entries), *_find_unknown_hosts(entries, sites)]
    try:
        rules = compile_rules(document, sites, destinations)
    except InvalidRule as error:
        return [*problems, str(error)]
    for number, entry in enumerate(entries, start=1):
        problems += dict.fromkeys(_find_conflicts(rules, number, entry, sites))
    return problems


def _describe(error: jsonschema.ValidationError) -> str:
    path = list(error.absolute_path)
    if path[:1] == ["rules"] and len(path) > 1:
        member = ".".join(map(str, path[2:]))
        return f"rule {int(path[1]) + 1}: {member + ': ' if member else ''}{error.message[:200]}"
    return error.message[:200]


def _find_repeated_ids(entries: list[dict[str, Any]]) -> Iterator[str]:
    numbers: dict[str, int] = {}
    for number, entry in enumerate(entries, start=1):
        first = numbers.setdefault(entry["id"], number)
        if first != number:
            yield f"rule {number}: has the id {entry['id']} of rule {first}"


def _find_unknown_hosts(entries: list[dict[str, Any]], sites: Collection[str]) -> Iterator[str]:
    for number, entry in enumerate(entries, start=1):
        for host in sorted(set(entry.get("hosts", ())) - set(sites)):
            yield f"rule {number}: {host} is no host of this site; its hosts are {', '.join(sorted(sites))}"


def _find_conflicts(rules: RuleSet, number: int, entry: Mapping[str, Any], sites: Collection[str]) -> Iterator[str]:
    """Apply all rules to the addresses of one of them: it has to match, and redirect in one step."""
    for host in entry.get("hosts") or sorted(sites):
        for path in _addresses(entry):
            try:
                match = rules.find_match(host, canonical_path(path))
                decision = rules.decide(host, canonical_path(path), ())
            except InvalidPath as error:
                yield f"rule {number}: {path} {error}"
                continue
            except RedirectLoop as error:
                yield f"rule {number}: redirects in a circle: {error}"
                continue
            if match is None:
                yield f"rule {number}: its expression does not match its example {path}"
            elif match.rule.number != number:
                yield f"rule {number}: is shadowed by {_name(match.rule)}, which matches {path}"
            elif decision is None:
                yield f"rule {number}: redirects {path} to a host that is not allowed"
            elif len(decision.rules) > 1:
                yield f"rule {number}: redirects to {_name(decision.rules[1])}; use the target of that rule instead"


def _addresses(entry: Mapping[str, Any]) -> list[str]:
    """Return a rule's own path, a path below its prefix (which may be an exact rule itself), or its examples."""
    paths = {
        "exact": [entry["from"]],
        "prefix": [entry["from"].rstrip("/") + "/any-page"],
        "regex": entry.get("examples", []),
    }[entry["match"]]
    return [f"/{locale}{path}" for locale in entry.get("locales", ()) for path in paths] or paths


def _name(rule: Rule) -> str:
    return f"rule {rule.number} ({rule.id})"

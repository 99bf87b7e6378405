"""What is wrong with a rule file, found before it is published: nobody should find out from a browser. Pure.

The form is the schema's; the rest is what compiling, and asking each rule about an address of its own, brings to light.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import jsonschema

from redirects.domain.paths import BadPath, canonical
from redirects.domain.rules import BadRule, RedirectLoop, Rule, RuleSet, compile_rules


def problems(
    document: Any, schema: Mapping[str, Any], sites: Collection[str], destinations: Collection[str]
) -> list[str]:
    """Every reason not to publish a rule file, empty if there is none."""
    form = sorted(
        jsonschema.Draft202012Validator(schema).iter_errors(document), key=lambda error: list(error.absolute_path)
    )
    if form:
        return [_of_form(error) for error in form]
    found = [*_repeated_ids(document["rules"]), *_unknown_hosts(document["rules"], sites)]
    try:
        rules = compile_rules(document, sites, destinations)
    except BadRule as error:
        return [*found, str(error)]
    for number, given in enumerate(document["rules"], start=1):
        found += dict.fromkeys(_of_rule(rules, number, given, sites))
    return found


def _of_form(error: jsonschema.ValidationError) -> str:
    path = list(error.absolute_path)
    if path[:1] == ["rules"] and len(path) > 1:
        at = ".".join(map(str, path[2:]))
        return f"rule {int(path[1]) + 1}: {at + ': ' if at else ''}{error.message[:200]}"
    return error.message[:200]


def _repeated_ids(given: list[dict[str, Any]]) -> Iterator[str]:
    seen: dict[str, int] = {}
    for number, rule in enumerate(given, start=1):
        first = seen.setdefault(rule["id"], number)
        if first != number:
            yield f"rule {number}: has the id {rule['id']} of rule {first}"


def _unknown_hosts(given: list[dict[str, Any]], sites: Collection[str]) -> Iterator[str]:
    for number, rule in enumerate(given, start=1):
        for host in sorted(set(rule.get("hosts", ())) - set(sites)):
            yield f"rule {number}: is for {host}, which is no host of this site; those are {', '.join(sorted(sites))}"


def _of_rule(rules: RuleSet, number: int, given: Mapping[str, Any], sites: Collection[str]) -> Iterator[str]:
    """What asking the rules about the addresses of one of them shows."""
    for host in given.get("hosts") or sorted(sites):
        for path in _addresses(given):
            try:
                matched = rules.find(host, canonical(path))
                decision = rules.decide(host, canonical(path), ())
            except BadPath as error:
                yield f"rule {number}: {path} {error}"
                continue
            except RedirectLoop as error:
                yield f"rule {number}: leads in a circle: {error}"
                continue
            if matched is None:
                yield f"rule {number}: its expression does not match its example {path}"
            elif matched.rule.number != number:
                yield f"rule {number}: is shadowed by {_named(matched.rule)}, which answers {path}"
            elif decision is None:
                yield f"rule {number}: leads from {path} to where no rule may lead"
            elif len(decision.rules) > 1:
                yield f"rule {number}: leads to {_named(decision.rules[1])}, which leads on; it should lead there itself"


def _addresses(given: Mapping[str, Any]) -> list[str]:
    """Addresses that a rule is for: its own, one below a prefix (itself it may leave to an exact rule), its examples."""
    paths = {
        "exact": [given["from"]],
        "prefix": [given["from"].rstrip("/") + "/any-page"],
        "regex": given.get("examples", []),
    }[given["match"]]
    return [f"/{locale}{path}" for locale in given.get("locales", ()) for path in paths] or paths


def _named(rule: Rule) -> str:
    return f"rule {rule.number} ({rule.id})"

"""Compiles a rule file. Pure.

The form of a rule file is ``schemas/redirects/rules.json``; ``docs/set-pieces/redirects.md`` explains it.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import fields
from typing import Any

import re2

from redirects.domain.rules import GONE, Match, Rule, RuleSet
from redirects.domain.targets import InvalidTarget, compile_target
from redirects.domain.urls import InvalidPath, PathOptions, canonical_path, canonical_query

DEFAULT_STATUS = 301
DEFAULT_MAX_AGE = 3600
MAX_EXPRESSION = 500
# Instructions of a compiled expression: a{1000} has a thousand, far more than a path needs.
MAX_INSTRUCTIONS = 5000


class InvalidRule(ValueError):
    """Rule ``number`` of the file, counted from 1, cannot be used."""

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(f"rule {number}: {reason}")
        self.number = number
        self.reason = reason


def compile_rules(document: Mapping[str, Any], sites: Collection[str], destinations: Collection[str]) -> RuleSet:
    """Compile a rule file that matches the schema, for the hosts ``sites``.

    Targets may be on these hosts and on ``destinations``. Raises ``InvalidRule``.
    """
    paths = document.get("paths", {})
    # The file may be one of a newer version: options that this version does not know are ignored.
    known = {field.name: paths[field.name] for field in fields(PathOptions) if field.name in paths}
    options = PathOptions(**known | {"index_pages": tuple(paths.get("index_pages", ()))})
    rules = RuleSet(options, sites, destinations)
    hosts = frozenset(sites) | frozenset(destinations)
    for number, entry in enumerate(document["rules"], start=1):
        try:
            if entry["match"] == "regex":
                _add_expression(rules, number, entry, hosts)
            else:
                _add_path(rules, number, entry, hosts)
        except (InvalidPath, InvalidTarget) as error:
            raise InvalidRule(number, str(error)) from error
        except re2.error as error:
            reason = error.args[0].decode() if isinstance(error.args[0], bytes) else str(error)
            raise InvalidRule(number, f"RE2 rejects the expression: {reason}") from error
    rules.compile_expressions(_re2_options(options))
    return rules


def _add_expression(rules: RuleSet, number: int, entry: Mapping[str, Any], destinations: Collection[str]) -> None:
    locales = tuple(entry.get("locales", ()))
    pattern = _compile_expression(number, entry["from"], locales, rules.options)
    named = [name for name in pattern.groupindex if name != "locale" or not locales]
    numbered = [str(index) for index in range(1, pattern.groups + 1 - bool(locales))]
    rule = _compile_rule(number, entry, [*numbered, *named, *_locale_placeholder(locales)], destinations)
    rules.add_expression(rule, pattern, frozenset(entry.get("hosts", ())), has_locales=bool(locales))


def _add_path(rules: RuleSet, number: int, entry: Mapping[str, Any], destinations: Collection[str]) -> None:
    """Add an exact rule or a prefix, once for each of its hosts and locales."""
    locales = tuple(entry.get("locales", ()))
    is_prefix = entry["match"] == "prefix"
    placeholders = [*(["rest"] if is_prefix else []), *_locale_placeholder(locales)]
    rule = _compile_rule(number, entry, placeholders, destinations)
    add = rules.add_prefix if is_prefix else rules.add_exact
    for host in frozenset(entry.get("hosts", ())) or [""]:
        for path, values in _localised_paths(canonical_path(entry["from"]), locales):
            other = add(host, path, Match(rule, values))
            if other.number != number:
                raise InvalidRule(number, f"is shadowed by rule {other.number} ({other.id}), which has the same path")


def _locale_placeholder(locales: tuple[str, ...]) -> list[str]:
    return ["locale"] if locales else []


def _localised_paths(path: str, locales: tuple[str, ...]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield paths with their placeholders. A locale is the first segment of a path, so that a URL has one response."""
    if not locales:
        yield path, {}
    for locale in locales:
        yield f"/{locale}{path}", {"locale": locale}


def _compile_rule(
    number: int, entry: Mapping[str, Any], placeholders: Collection[str], destinations: Collection[str]
) -> Rule:
    status = entry.get("status", DEFAULT_STATUS)
    query = entry.get("query", {})
    keep = query.get("keep", False)
    target = None
    if status != GONE:
        target = compile_target(
            entry["to"],
            placeholders=placeholders,
            destinations=destinations,
            keep=None if keep is True else _canonical_names(keep or ()),
            set_query=canonical_query(list(query.get("set", {}).items())),
        )
    max_age = entry.get("max_age", DEFAULT_MAX_AGE)
    return Rule(number, entry["id"], status, target, max_age, entry.get("shared_max_age", max_age))


def _canonical_names(names: Collection[str]) -> frozenset[str]:
    return frozenset(name for name, _ in canonical_query([(name, "") for name in names]))


def _compile_expression(number: int, expression: str, locales: tuple[str, ...], options: PathOptions) -> Any:
    """RE2 has no back-references and no look-around, and so no expression that takes exponential time."""
    if len(expression) > MAX_EXPRESSION:
        raise InvalidRule(number, f"the expression is longer than {MAX_EXPRESSION} characters")
    if not expression.startswith("/"):
        raise InvalidRule(number, "the expression must begin with a slash, as every path does")
    localised = f"/(?P<locale>{'|'.join(locales)})(?:{expression})" if locales else expression
    pattern = re2.compile(localised, _re2_options(options))
    if pattern.programsize > MAX_INSTRUCTIONS:
        raise InvalidRule(
            number, f"the expression has {pattern.programsize} instructions, more than {MAX_INSTRUCTIONS}"
        )
    return pattern


def _re2_options(path_options: PathOptions) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.case_sensitive = not path_options.ignore_case
    # For the automaton of all expressions.
    options.max_mem = 64 << 20
    return options

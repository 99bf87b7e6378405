"""The rules of a rule file, compiled, and what they say about a request. Pure.

Exact rules win over prefixes, a longer prefix over a shorter one, and all of them over expressions, which are asked in the
order of the file. Exact rules and prefixes are dictionaries: a lookup costs one probe, and one for each segment of the path,
however many rules there are. Expressions are one automaton of RE2, which reads a path once, in time linear in its length.

The form of a rule file is ``schemas/redirects/rules.json``; ``docs/set-pieces/redirects.md`` explains it.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

import re2

from redirects.domain.paths import BadPath, Folding, Query, canonical, canonical_query
from redirects.domain.targets import BadTarget, Place, Target, compile_target, harmless

GONE = 410
PERMANENT = frozenset({301, 308})
# Redirects that keep method and body.
KEEPS_METHOD = frozenset({307, 308})
DEFAULT_MAX_AGE = 3600
MAX_EXPRESSION = 500
# Instructions of a compiled expression; a{1000} has a thousand of them, and nobody needs that in a path.
MAX_PROGRAM = 5000
# Rules that lead to each other are followed here, so that browsers need one hop.
MAX_FOLLOWED = 5


class BadRule(ValueError):
    """Rule ``number`` of the file, counted from 1, cannot be used."""

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(f"rule {number}: {reason}")
        self.number = number
        self.reason = reason


class RedirectLoop(Exception):
    """Rules lead to each other without end."""


@dataclass(frozen=True, slots=True)
class Rule:
    """``target`` is None for what is gone; ``shared_max_age`` is what the CDN may keep, in seconds."""

    number: int
    id: str
    status: int
    target: Target | None
    max_age: int
    shared_max_age: int


@dataclass(frozen=True, slots=True)
class _Expression:
    rule: Rule
    pattern: Any
    hosts: frozenset[str]
    localised: bool


@dataclass(frozen=True, slots=True)
class Match:
    """A rule and what it found in the path."""

    rule: Rule
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Decision:
    """``location`` is empty for what is gone. ``rules`` are the rules that were followed, the one that matched first."""

    status: int
    location: str
    max_age: int
    shared_max_age: int
    rules: tuple[Rule, ...]


class RuleSet:
    """Compiled rules. ``sites`` are the hosts that they answer for; they may lead there and to ``destinations``."""

    def __init__(self, folding: Folding, sites: Collection[str], destinations: Collection[str]) -> None:
        self.folding = folding
        self._sites, self._allowed = frozenset(sites), frozenset(sites) | frozenset(destinations)
        self._exact: dict[tuple[str, str], Match] = {}
        self._prefixes: dict[tuple[str, str], Match] = {}
        self._deepest = 0
        self._expressions: list[_Expression] = []
        self._automaton: Any = None

    def find(self, host: str, path: str) -> Match | None:
        """The rule for a canonical path."""
        trimmed = self.folding.trimmed(path)
        key = self.folding.key(trimmed)
        found = self._exact.get((host, key)) or self._exact.get(("", key))
        return found or self._longest_prefix(host, key, trimmed) or self._first_expression(host, key, trimmed)

    def _longest_prefix(self, host: str, key: str, trimmed: str) -> Match | None:
        prefix = key
        if key.count("/") > self._deepest:
            prefix = "/".join(key.split("/", self._deepest + 1)[: self._deepest + 1])
        while True:
            found = self._prefixes.get((host, prefix)) or self._prefixes.get(("", prefix))
            if found:
                return Match(found.rule, {**found.values, "rest": trimmed[len(prefix) :].lstrip("/")})
            if not prefix:
                return None
            prefix = prefix.rpartition("/")[0]

    def _first_expression(self, host: str, key: str, trimmed: str) -> Match | None:
        if self._automaton is None:
            return None
        for index in sorted(self._automaton.Match(key) or ()):
            expression = self._expressions[index]
            if expression.hosts and host not in expression.hosts:
                continue
            # On the path as it came: what is captured keeps its letters.
            found = expression.pattern.fullmatch(trimmed)
            groups = found.groups()[1:] if expression.localised else found.groups()
            numbered = {str(number): text for number, text in enumerate(groups, start=1)}
            return Match(expression.rule, {**found.groupdict(), **numbered})
        return None

    def decide(self, host: str, path: str, query: Query) -> Decision | None:
        """What to answer a request for a canonical ``path`` on ``host``; None if no rule says anything.

        Raises ``RedirectLoop``.
        """
        found = self.find(host, path)
        if found is None:
            return None
        followed: list[Rule] = []
        place: Place | None = None
        while found is not None:
            if len(followed) > MAX_FOLLOWED:
                raise RedirectLoop(" -> ".join(rule.id for rule in followed))
            followed.append(found.rule)
            if found.rule.target is None:
                return self._decision(followed, None)
            place = found.rule.target.place(found.values, query)
            host, query = place.host or host, place.query
            found = self._next(place, host)
        return self._decision(followed, place)

    def _next(self, place: Place, host: str) -> Match | None:
        """The rule that would be asked next, if the place is one that these rules answer for."""
        if place.host and place.host not in self._sites:
            return None
        try:
            return self.find(host, canonical(place.path))
        except BadPath:
            return None

    def _decision(self, followed: list[Rule], place: Place | None) -> Decision | None:
        max_age = min(rule.max_age for rule in followed)
        shared = min(rule.shared_max_age for rule in followed)
        if place is None:
            return Decision(GONE, "", max_age, shared, tuple(followed))
        location = place.location
        if not harmless(location, self._allowed):
            return None
        return Decision(_status(followed), location, max_age, shared, tuple(followed))

    # --- compiling ---

    def add_exact(self, host: str, path: str, match: Match) -> Rule | None:
        """The rule that is there already, if there is one."""
        return self._exact.setdefault((host, self._key(path)), match).rule

    def add_prefix(self, host: str, path: str, match: Match) -> Rule | None:
        """The rule that is there already, if there is one."""
        prefix = self._key(path).rstrip("/")
        self._deepest = max(self._deepest, prefix.count("/"))
        return self._prefixes.setdefault((host, prefix), match).rule

    def _key(self, path: str) -> str:
        return self.folding.key(self.folding.trimmed(path))

    def add_expression(self, rule: Rule, pattern: Any, hosts: frozenset[str], localised: bool) -> None:
        self._expressions.append(_Expression(rule, pattern, hosts, localised))

    def finish(self) -> None:
        """Build the automaton of all expressions."""
        if self._expressions:
            self._automaton = re2.Set.FullMatchSet(_options(self.folding))
            for expression in self._expressions:
                self._automaton.Add(expression.pattern.pattern)
            self._automaton.Compile()


def _status(followed: list[Rule]) -> int:
    """The first rule's status, unless a later one is temporary: then the whole way is."""
    first = followed[0].status
    if first in PERMANENT and any(rule.status not in PERMANENT for rule in followed):
        return 307 if first in KEEPS_METHOD else 302
    return first


def compile_rules(document: Mapping[str, Any], sites: Collection[str], destinations: Collection[str]) -> RuleSet:
    """The rules of a rule file that has the form of the schema. Raises ``BadRule``."""
    paths = document.get("paths", {})
    # The file may be one of a newer version: options that this one does not know are left out.
    known = {field.name: paths[field.name] for field in fields(Folding) if field.name in paths}
    folding = Folding(**known | {"index_pages": tuple(paths.get("index_pages", ()))})
    rules = RuleSet(folding, sites, destinations)
    for number, given in enumerate(document["rules"], start=1):
        try:
            _add(rules, number, given, frozenset(sites) | frozenset(destinations))
        except (BadPath, BadTarget) as error:
            raise BadRule(number, str(error)) from error
        except re2.error as error:
            reason = error.args[0].decode() if isinstance(error.args[0], bytes) else str(error)
            raise BadRule(number, f"RE2 refuses the expression: {reason}") from error
    rules.finish()
    return rules


def _add(rules: RuleSet, number: int, given: Mapping[str, Any], destinations: Collection[str]) -> None:
    hosts = frozenset(given.get("hosts", ()))
    locales = tuple(given.get("locales", ()))
    if given["match"] == "regex":
        pattern = _pattern(number, given["from"], locales, rules.folding)
        named = [name for name in pattern.groupindex if name != "locale" or not locales]
        numbered = [str(index) for index in range(1, pattern.groups + 1 - bool(locales))]
        rule = _rule(number, given, [*numbered, *named, *(["locale"] if locales else [])], destinations)
        rules.add_expression(rule, pattern, hosts, bool(locales))
        return
    fills = ["rest"] if given["match"] == "prefix" else []
    rule = _rule(number, given, [*fills, *(["locale"] if locales else [])], destinations)
    add = rules.add_prefix if given["match"] == "prefix" else rules.add_exact
    for host in hosts or [""]:
        for path, values in _localised(canonical(given["from"]), locales):
            there = add(host, path, Match(rule, values))
            if there is not None and there.number != number:
                raise BadRule(number, f"is shadowed by rule {there.number} ({there.id}), which is for the same path")


def _localised(path: str, locales: tuple[str, ...]) -> Iterator[tuple[str, dict[str, str]]]:
    """A locale is the first segment of a path: nothing but the URL decides, so that one URL has one answer."""
    if not locales:
        yield path, {}
    for locale in locales:
        yield f"/{locale}{path}", {"locale": locale}


def _rule(number: int, given: Mapping[str, Any], placeholders: Collection[str], destinations: Collection[str]) -> Rule:
    status = given.get("status", 301)
    query = given.get("query", {})
    keep = query.get("keep", False)
    target = None
    if status != GONE:
        target = compile_target(
            given["to"],
            placeholders=placeholders,
            destinations=destinations,
            keep=None if keep is True else _names(keep or ()),
            set_query=canonical_query(list(query.get("set", {}).items())),
        )
    max_age = given.get("max_age", DEFAULT_MAX_AGE)
    return Rule(number, given["id"], status, target, max_age, given.get("shared_max_age", max_age))


def _names(names: Collection[str]) -> frozenset[str]:
    return frozenset(name for name, _ in canonical_query([(name, "") for name in names]))


def _pattern(number: int, expression: str, locales: tuple[str, ...], folding: Folding) -> Any:
    """The compiled expression. RE2 has no back-references and no look-around, and so nothing that takes exponential time."""
    if len(expression) > MAX_EXPRESSION:
        raise BadRule(number, f"the expression is longer than {MAX_EXPRESSION} characters")
    if not expression.startswith("/"):
        raise BadRule(number, "the expression must begin with the slash that a path begins with")
    localised = f"/(?P<locale>{'|'.join(locales)})(?:{expression})" if locales else expression
    pattern = re2.compile(localised, _options(folding))
    if pattern.programsize > MAX_PROGRAM:
        raise BadRule(number, f"the expression takes {pattern.programsize} instructions, more than {MAX_PROGRAM}")
    return pattern


def _options(folding: Folding) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.case_sensitive = not folding.ignore_case
    # For the automaton of all expressions together.
    options.max_mem = 64 << 20
    return options

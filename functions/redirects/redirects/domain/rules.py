"""A compiled set of rules, and its decision for a request. Pure.

Exact rules take precedence over prefixes, a longer prefix over a shorter one, and all of them over expressions, which are tried
in the order of the file. Exact rules and prefixes are dictionaries: a lookup costs one probe, and one for each segment of the
path, however many rules there are. Expressions are one automaton of RE2, which reads a path once, in time linear in its length.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import re2

from redirects.domain.targets import Location, Target, is_allowed_location
from redirects.domain.urls import InvalidPath, PathOptions, Query, canonical_path

GONE = 410
PERMANENT = frozenset({301, 308})
# Redirects that keep method and body.
KEEPS_METHOD = frozenset({307, 308})
# Rules that redirect to each other are followed here, so that a browser needs one request.
MAX_FOLLOWED = 5


class RedirectLoop(Exception):
    """Rules redirect to each other without end."""


@dataclass(frozen=True, slots=True)
class Rule:
    """``number`` is its position in the file, from 1. ``target`` is None for status 410.

    ``max_age`` and ``shared_max_age`` are seconds that browsers and the CDN may cache the response.
    """

    number: int
    id: str
    status: int
    target: Target | None
    max_age: int
    shared_max_age: int


@dataclass(frozen=True, slots=True)
class Match:
    """A rule that matches a path; ``values`` are those of its target's placeholders."""

    rule: Rule
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Decision:
    """``location`` is empty for status 410. ``rules`` are the rules that were followed, the one that matched first."""

    status: int
    location: str
    max_age: int
    shared_max_age: int
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class _Expression:
    rule: Rule
    pattern: Any
    hosts: frozenset[str]
    has_locales: bool


class RuleSet:
    """Compiled rules for the hosts ``sites``. They may redirect to these and to the hosts ``destinations``."""

    def __init__(self, options: PathOptions, sites: Collection[str], destinations: Collection[str]) -> None:
        self.options = options
        self._sites, self._allowed_hosts = frozenset(sites), frozenset(sites) | frozenset(destinations)
        # By host ("" for all) and lookup key.
        self._exact: dict[tuple[str, str], Match] = {}
        self._prefixes: dict[tuple[str, str], Match] = {}
        self._longest_prefix_segments = 0
        self._expressions: list[_Expression] = []
        self._automaton: Any = None

    def decide(self, host: str, path: str, query: Query) -> Decision | None:
        """Return the response to a request for a canonical ``path`` on ``host``, None if no rule matches.

        None, too, if the location would be on a host that is not allowed. Raises ``RedirectLoop``.
        """
        match = self.find_match(host, path)
        if match is None:
            return None
        followed: list[Rule] = []
        location: Location | None = None
        while match is not None:
            if len(followed) > MAX_FOLLOWED:
                raise RedirectLoop(" -> ".join(rule.id for rule in followed))
            followed.append(match.rule)
            if match.rule.target is None:
                return self._decision(followed, None)
            location = match.rule.target.resolve(match.values, query)
            host, query = location.host or host, location.query
            match = self._next_match(location, host)
        return self._decision(followed, location)

    def find_match(self, host: str, path: str) -> Match | None:
        """Return the match of the rule with the highest precedence for a canonical path."""
        trimmed = self.options.trim(path)
        key = self.options.lookup_key(trimmed)
        exact = self._exact.get((host, key)) or self._exact.get(("", key))
        return exact or self._match_longest_prefix(host, key, trimmed) or self._match_expression(host, key, trimmed)

    def _match_longest_prefix(self, host: str, key: str, trimmed: str) -> Match | None:
        prefix = key
        if key.count("/") > self._longest_prefix_segments:
            prefix = "/".join(key.split("/", self._longest_prefix_segments + 1)[: self._longest_prefix_segments + 1])
        while True:
            match = self._prefixes.get((host, prefix)) or self._prefixes.get(("", prefix))
            if match:
                return Match(match.rule, {**match.values, "rest": trimmed[len(prefix) :].lstrip("/")})
            if not prefix:
                return None
            prefix = prefix.rpartition("/")[0]

    def _match_expression(self, host: str, key: str, trimmed: str) -> Match | None:
        if self._automaton is None:
            return None
        for index in sorted(self._automaton.Match(key) or ()):
            expression = self._expressions[index]
            if expression.hosts and host not in expression.hosts:
                continue
            # On the trimmed path, not on its key: captured values keep their case.
            groups = expression.pattern.fullmatch(trimmed)
            captured = groups.groups()[1:] if expression.has_locales else groups.groups()
            numbered = {str(number): text for number, text in enumerate(captured, start=1)}
            return Match(expression.rule, {**groups.groupdict(), **numbered})
        return None

    def _next_match(self, location: Location, host: str) -> Match | None:
        """Return the match for a location, None if it is on a host that these rules are not for."""
        if location.host and location.host not in self._sites:
            return None
        try:
            return self.find_match(host, canonical_path(location.path))
        except InvalidPath:
            return None

    def _decision(self, followed: list[Rule], location: Location | None) -> Decision | None:
        max_age = min(rule.max_age for rule in followed)
        shared_max_age = min(rule.shared_max_age for rule in followed)
        if location is None:
            return Decision(GONE, "", max_age, shared_max_age, tuple(followed))
        if not is_allowed_location(location.url, self._allowed_hosts):
            return None
        return Decision(_status(followed), location.url, max_age, shared_max_age, tuple(followed))

    # --- compiling ---

    def add_exact(self, host: str, path: str, match: Match) -> Rule:
        """Add the match unless a rule has this host and path already. Return the rule that has them now."""
        return self._exact.setdefault((host, self._key(path)), match).rule

    def add_prefix(self, host: str, path: str, match: Match) -> Rule:
        """Add the match unless a rule has this host and prefix already. Return the rule that has them now."""
        prefix = self._key(path).rstrip("/")
        self._longest_prefix_segments = max(self._longest_prefix_segments, prefix.count("/"))
        return self._prefixes.setdefault((host, prefix), match).rule

    def add_expression(self, rule: Rule, pattern: Any, hosts: frozenset[str], *, has_locales: bool) -> None:
        """Add an expression of RE2 for ``hosts`` (all if empty); with locales, its first group is the locale."""
        self._expressions.append(_Expression(rule, pattern, hosts, has_locales))

    def compile_expressions(self, options: Any) -> None:
        """Build the automaton of all expressions; ``options`` are RE2's."""
        if self._expressions:
            self._automaton = re2.Set.FullMatchSet(options)
            for expression in self._expressions:
                self._automaton.Add(expression.pattern.pattern)
            self._automaton.Compile()

    def _key(self, path: str) -> str:
        return self.options.lookup_key(self.options.trim(path))


def _status(followed: list[Rule]) -> int:
    """Return the first rule's status, or its temporary counterpart if another rule is temporary."""
    first = followed[0].status
    if first in PERMANENT and any(rule.status not in PERMANENT for rule in followed):
        return 307 if first in KEEPS_METHOD else 302
    return first

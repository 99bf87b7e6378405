"""Where a rule leads: ``/new/{rest}?from=old``, or ``https://www.example.com/{1}`` on a host of the allow-list. Pure.

Placeholders stand behind the host and its slash, so nothing in a request can change where a ``Location`` leads to.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

from redirects.domain.paths import Query, parse_query, query_text

_CHARACTERS = r"[A-Za-z0-9!$&'()*+,;=:@\-._~%{}/"
_TO = re.compile(
    rf"(?:https://(?P<host>[a-z0-9]+(?:[.-][a-z0-9]+)*))?(?P<path>(?:/(?!/){_CHARACTERS}]*)?)"
    rf"(?:\?(?P<query>{_CHARACTERS}?]*))?(?:\#(?P<fragment>{_CHARACTERS}?]*))?"
)
_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_VISIBLE = re.compile(r"[\x21-\x7e]+")


class BadTarget(ValueError):
    """A target that no rule may have; the message says why."""


@dataclass(frozen=True, slots=True)
class Place:
    """A target for one request: ``host`` is empty for the host that was asked, ``path`` and ``query`` are canonical."""

    host: str
    path: str
    query: Query
    fragment: str

    @property
    def location(self) -> str:
        origin = f"https://{self.host}" if self.host else ""
        return origin + self.path + query_text(self.query) + (f"#{self.fragment}" if self.fragment else "")


@dataclass(frozen=True, slots=True)
class Target:
    """A compiled ``to``. ``keep`` names the parameters of the request to carry on, None all of them."""

    host: str
    path: str
    query: str
    fragment: str
    keep: frozenset[str] | None
    set_query: Query

    def place(self, values: Mapping[str, str], asked: Query) -> Place:
        """The target with ``values`` (canonical parts of the path) filled in and what of the query is kept."""
        path = _filled(self.path, values, str)
        # Two slashes in front would be the beginning of a host; an empty {rest} leaves no slash behind.
        path = "/" + path.lstrip("/")
        if self.path.endswith("/{rest}") and not values.get("rest"):
            path = path.rstrip("/") or "/"
        own = parse_query(_filled(self.query, values, _in_query)) if self.query else ()
        fixed = frozenset(name for name, _ in own + self.set_query)
        changed = frozenset(name for name, _ in self.set_query)
        query = tuple(pair for pair in own if pair[0] not in changed)
        query += tuple(pair for pair in asked if (self.keep is None or pair[0] in self.keep) and pair[0] not in fixed)
        fragment = _filled(self.fragment, values, _in_query) if self.fragment else ""
        return Place(self.host, path, query + self.set_query, fragment)


def compile_target(
    to: str,
    *,
    placeholders: Collection[str],
    destinations: Collection[str],
    keep: frozenset[str] | None,
    set_query: Query,
) -> Target:
    """A target that uses ``placeholders`` only and leads to one of ``destinations`` or stays where it is.

    Raises ``BadTarget``.
    """
    parts = _TO.fullmatch(to)
    if not parts or not to:
        raise BadTarget(f"'{to}' is neither a path nor an https URL without user and port")
    if parts["host"] and parts["host"] not in destinations:
        raise BadTarget(f"{parts['host']} is not a destination host; those are {', '.join(sorted(destinations))}")
    used = set(_PLACEHOLDER.findall(to))
    unknown = used - set(placeholders)
    if unknown or "{" in _PLACEHOLDER.sub("", to) or "}" in _PLACEHOLDER.sub("", to):
        known = ", ".join(f"{{{name}}}" for name in placeholders) or "none"
        raise BadTarget(f"'{to}' has a placeholder that this rule does not fill; it fills {known}")
    if not parts["host"] and not parts["path"]:
        raise BadTarget(f"'{to}' leads nowhere")
    return Target(
        parts["host"] or "",
        parts["path"] or "/",
        parts["query"] or "",
        parts["fragment"] or "",
        keep,
        set_query,
    )


def harmless(location: str, destinations: Collection[str]) -> bool:
    """Does a ``Location`` stay on the host that was asked, or lead to one of ``destinations`` over https?

    The last look before an answer leaves, which rests on nothing that made the location.
    """
    if not _VISIBLE.fullmatch(location) or "\\" in location:
        return False
    if location.startswith("/"):
        return not location.startswith("//")
    try:
        parts = urlsplit(location)
    except ValueError:
        return False
    return parts.scheme == "https" and parts.netloc in destinations


def _in_query(value: str) -> str:
    return quote(unquote(value), safe="-._~")


def _filled(text: str, values: Mapping[str, str], encode: Callable[[str], str]) -> str:
    if "{" not in text:
        return text
    return _PLACEHOLDER.sub(lambda match: encode(values.get(match[1]) or ""), text)

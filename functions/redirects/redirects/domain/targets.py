"""Targets of rules: ``/new/{rest}?from=old``, or ``https://www.example.com/{1}`` on an allowed host. Pure.

Placeholders come after the host and its slash, so no request can change the host of a ``Location``.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

from redirects.domain.urls import Query, format_query, parse_query

_CHARACTERS = r"[A-Za-z0-9!$&'()*+,;=:@\-._~%{}/"
_TO = re.compile(
    rf"(?:https://(?P<host>[a-z0-9]+(?:[.-][a-z0-9]+)*))?(?P<path>(?:/(?!/){_CHARACTERS}]*)?)"
    rf"(?:\?(?P<query>{_CHARACTERS}?]*))?(?:\#(?P<fragment>{_CHARACTERS}?]*))?"
)
_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_VISIBLE = re.compile(r"[\x21-\x7e]+")


class InvalidTarget(ValueError):
    """A target that no rule may have; the message is the reason."""


@dataclass(frozen=True, slots=True)
class Location:
    """The target of one request: ``host`` is empty for the host of the request; ``path`` and ``query`` are canonical."""

    host: str
    path: str
    query: Query
    fragment: str

    @property
    def url(self) -> str:
        """The value of the ``Location`` header."""
        origin = f"https://{self.host}" if self.host else ""
        return origin + self.path + format_query(self.query) + (f"#{self.fragment}" if self.fragment else "")


@dataclass(frozen=True, slots=True)
class Target:
    """A compiled ``to``. ``keep`` has the names of the request's parameters that are kept; None keeps all of them."""

    host: str
    path: str
    query: str
    fragment: str
    keep: frozenset[str] | None
    set_query: Query

    def resolve(self, values: Mapping[str, str], request_query: Query) -> Location:
        """Replace placeholders by ``values``, which are canonical parts of the path, and add the parameters to keep and to set.

        A parameter that is set replaces one of the same name; one of the target replaces one of the request.
        """
        path = _fill(self.path, values, str)
        # Two slashes at the start would begin a host; an empty {rest} leaves no slash at the end.
        path = "/" + path.lstrip("/")
        if self.path.endswith("/{rest}") and not values.get("rest"):
            path = path.rstrip("/") or "/"
        target_query = parse_query(_fill(self.query, values, _encode_query_value)) if self.query else ()
        set_names = frozenset(name for name, _ in self.set_query)
        fixed_names = set_names | frozenset(name for name, _ in target_query)
        query = (
            *(pair for pair in target_query if pair[0] not in set_names),
            *(
                pair
                for pair in request_query
                if (self.keep is None or pair[0] in self.keep) and pair[0] not in fixed_names
            ),
            *self.set_query,
        )
        fragment = _fill(self.fragment, values, _encode_query_value) if self.fragment else ""
        return Location(self.host, path, query, fragment)


def compile_target(
    to: str,
    *,
    placeholders: Collection[str],
    destinations: Collection[str],
    keep: frozenset[str] | None,
    set_query: Query,
) -> Target:
    """Compile a ``to`` that has no other placeholders than ``placeholders`` and no other host than ``destinations``.

    Raises ``InvalidTarget``.
    """
    parts = _TO.fullmatch(to)
    if not parts or not to:
        raise InvalidTarget(f"'{to}' is neither a path nor an https URL without user and port")
    if parts["host"] and parts["host"] not in destinations:
        raise InvalidTarget(
            f"{parts['host']} is not a destination host; destination hosts are {', '.join(sorted(destinations))}"
        )
    unknown = set(_PLACEHOLDER.findall(to)) - set(placeholders)
    if unknown or "{" in _PLACEHOLDER.sub("", to) or "}" in _PLACEHOLDER.sub("", to):
        known = ", ".join(f"{{{name}}}" for name in placeholders) or "none"
        raise InvalidTarget(f"'{to}' has an unknown placeholder; the placeholders of this rule are {known}")
    if not parts["host"] and not parts["path"]:
        raise InvalidTarget(f"'{to}' has neither host nor path")
    return Target(
        parts["host"] or "",
        parts["path"] or "/",
        parts["query"] or "",
        parts["fragment"] or "",
        keep,
        set_query,
    )


def is_allowed_location(url: str, destinations: Collection[str]) -> bool:
    """True if a ``Location`` is on the host of the request, or on one of ``destinations`` over https.

    The last check before a response is sent; it relies on nothing that built the URL.
    """
    if not _VISIBLE.fullmatch(url) or "\\" in url:
        return False
    if url.startswith("/"):
        return not url.startswith("//")
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme == "https" and parts.netloc in destinations


def _encode_query_value(value: str) -> str:
    return quote(unquote(value), safe="-._~")


def _fill(text: str, values: Mapping[str, str], encode: Callable[[str], str]) -> str:
    if "{" not in text:
        return text
    return _PLACEHOLDER.sub(lambda match: encode(values.get(match[1]) or ""), text)

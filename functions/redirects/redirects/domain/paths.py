"""Paths and query strings in the one form in which rules and requests are compared. Pure.

A path is percent-decoded once and encoded again (RFC 3986, 6.2.2): ``/gr%c3%b6%c3%9fe``, ``/größe`` and its decomposed form are
one path, while an encoded slash or backslash stays encoded and never becomes part of a URL's structure. What a client cannot
mean honestly is refused: broken escapes, bytes that are no UTF-8, control characters, dot segments (clients resolve those).
"""

import re
from dataclasses import dataclass
from unicodedata import normalize
from urllib.parse import quote, quote_from_bytes, unquote_to_bytes

# As long as CloudFront lets a URL be.
MAX_LENGTH = 8192
_IN_SEGMENT = "!$&'()*+,;=:@-._~"
# Already in that form, as nearly every path is; a segment that begins with a dot is looked at closely.
_PLAIN = re.compile(r"(?:/(?![.])[A-Za-z0-9!$&'()*+,;=:@\-._~]*)+")
# Unicode's categories Cc, Zl and Zp, to which nothing will ever be added.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")

Query = tuple[tuple[str, str], ...]


class BadPath(ValueError):
    """A path that nobody can answer; the message says why."""


def canonical(path: str) -> str:
    """The one form of a raw path, ASCII only. Raises ``BadPath``."""
    if len(path) > MAX_LENGTH:
        raise BadPath(f"longer than {MAX_LENGTH} characters")
    if _PLAIN.fullmatch(path):
        return path
    if not path.startswith("/"):
        raise BadPath("does not begin with a slash")
    return "/".join(map(_segment, path.split("/")))


def _segment(raw: str) -> str:
    if _BROKEN_ESCAPE.search(raw):
        raise BadPath("holds a % that begins no escape")
    try:
        text = normalize("NFC", unquote_to_bytes(raw).decode())
    except ValueError as error:
        raise BadPath("is not UTF-8") from error
    if text in (".", ".."):
        raise BadPath("holds a dot segment")
    if _CONTROL.search(text):
        raise BadPath("holds a control character")
    return quote(text, safe=_IN_SEGMENT)


@dataclass(frozen=True)
class Folding:
    """Which paths of the old site were one page, whatever they looked like."""

    ignore_case: bool = False
    ignore_trailing_slash: bool = True
    index_pages: tuple[str, ...] = ()

    def trimmed(self, path: str) -> str:
        """A canonical path without an index page and trailing slashes, letters as they were."""
        before, _, last = path.rpartition("/")
        if self.index_pages and (last.lower() if self.ignore_case else last) in self.index_pages:
            path = before + "/"
        return (path.rstrip("/") or "/") if self.ignore_trailing_slash else path

    def key(self, trimmed: str) -> str:
        """What is looked up; as long as ``trimmed``, so that what follows a prefix begins at the same place."""
        return trimmed.lower() if self.ignore_case else trimmed


def host_name(header: str) -> str:
    """``shop.example`` of a ``Host`` header such as ``Shop.example.:8080``."""
    return header.partition(":")[0].rstrip(".").lower()


def hosts(listed: str) -> frozenset[str]:
    """Of ``www.example.com,old.example.com``; none of an empty text."""
    return frozenset(host_name(host) for host in listed.split(",") if host)


def canonical_query(raw: list[tuple[str, str]]) -> Query:
    """Names and values as they came, in one spelling; nothing in them can end a query or a header."""
    return tuple((_encoded(name), _encoded(value)) for name, value in raw)


def _encoded(raw: str) -> str:
    return quote_from_bytes(unquote_to_bytes(raw.replace("+", " ")), safe="-._~")


def query_text(query: Query) -> str:
    """``?a=1&b=2``, empty for none."""
    return "?" + "&".join(f"{name}={value}" for name, value in query) if query else ""


def parse_query(text: str) -> Query:
    """``a=1&b=2`` in canonical form."""
    pairs = (pair.partition("=") for pair in text.split("&") if pair)
    return canonical_query([(name, value) for name, _, value in pairs])

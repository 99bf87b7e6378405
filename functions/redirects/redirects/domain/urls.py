"""Hosts, paths and query strings in canonical form, in which rules and requests are compared. Pure.

A path is percent-decoded once and encoded again (RFC 3986, 6.2.2): ``/gr%c3%b6%c3%9fe``, ``/größe`` and its decomposed form are
one path, while an encoded slash or backslash stays encoded and never becomes part of a URL's structure. Rejected is what no
client sends in good faith: broken escapes, bytes that are not UTF-8, control characters, dot segments (clients resolve those).
"""

import re
from dataclasses import dataclass
from unicodedata import normalize
from urllib.parse import quote, quote_from_bytes, unquote_to_bytes

# CloudFront's limit for a URL.
MAX_LENGTH = 8192
_SAFE_IN_SEGMENT = "!$&'()*+,;=:@-._~"
# Paths that are canonical already, as nearly all are. A segment that begins with a dot may be a dot segment.
_CANONICAL = re.compile(r"(?:/(?![.])[A-Za-z0-9!$&'()*+,;=:@\-._~]*)+")
# Unicode's categories Cc, Zl and Zp, which are complete.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")

# Names and values, percent-encoded.
Query = tuple[tuple[str, str], ...]


class InvalidPath(ValueError):
    """A path without a canonical form; the message is the reason."""


def canonical_path(path: str) -> str:
    """Return the canonical form of a raw path, ASCII only. Raises ``InvalidPath``."""
    if len(path) > MAX_LENGTH:
        raise InvalidPath(f"longer than {MAX_LENGTH} characters")
    if _CANONICAL.fullmatch(path):
        return path
    if not path.startswith("/"):
        raise InvalidPath("does not begin with a slash")
    return "/".join(map(_canonical_segment, path.split("/")))


def _canonical_segment(raw: str) -> str:
    if _BROKEN_ESCAPE.search(raw):
        raise InvalidPath("has a % that begins no escape")
    try:
        text = normalize("NFC", unquote_to_bytes(raw).decode())
    except ValueError as error:
        raise InvalidPath("is not UTF-8") from error
    if text in (".", ".."):
        raise InvalidPath("has a dot segment")
    if _CONTROL.search(text):
        raise InvalidPath("has a control character")
    return quote(text, safe=_SAFE_IN_SEGMENT)


@dataclass(frozen=True)
class PathOptions:
    """Which differences between paths the old site ignored: the member ``paths`` of a rule file."""

    ignore_case: bool = False
    ignore_trailing_slash: bool = True
    index_pages: tuple[str, ...] = ()

    def trim(self, path: str) -> str:
        """Remove an ignored index page and trailing slashes from a canonical path; its case is kept."""
        before, _, last = path.rpartition("/")
        if self.index_pages and (last.lower() if self.ignore_case else last) in self.index_pages:
            path = before + "/"
        return (path.rstrip("/") or "/") if self.ignore_trailing_slash else path

    def lookup_key(self, trimmed: str) -> str:
        """Return the key of a trimmed path. Both have one length, so that a prefix ends at the same index in both."""
        return trimmed.lower() if self.ignore_case else trimmed


def parse_host(header: str) -> str:
    """Return ``shop.example`` for a ``Host`` header such as ``Shop.example.:8080``."""
    return header.partition(":")[0].rstrip(".").lower()


def parse_hosts(text: str) -> frozenset[str]:
    """Return the hosts of a list such as ``www.example.com,old.example.com``; none for an empty text."""
    return frozenset(parse_host(host) for host in text.split(",") if host)


def canonical_query(pairs: list[tuple[str, str]]) -> Query:
    """Encode names and values in one spelling, in which none of them can end a query or a header."""
    return tuple((_canonical_value(name), _canonical_value(value)) for name, value in pairs)


def parse_query(text: str) -> Query:
    """Parse ``a=1&b=2`` to canonical form."""
    pairs = (pair.partition("=") for pair in text.split("&") if pair)
    return canonical_query([(name, value) for name, _, value in pairs])


def format_query(query: Query) -> str:
    """Return ``?a=1&b=2``, empty for no parameters."""
    return "?" + "&".join(f"{name}={value}" for name, value in query) if query else ""


def _canonical_value(raw: str) -> str:
    return quote_from_bytes(unquote_to_bytes(raw.replace("+", " ")), safe="-._~")

"""Sitemap files within the limits of the protocol, their index and robots.txt. A URL takes one line of memory.

The same entries give the same bytes, and the name of a file has the hash of its content: nothing is published twice, and an
index never names a file whose content is another run's.

https://www.sitemaps.org/protocol.html
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import quote
from xml.sax.saxutils import escape

INDEX, ROBOTS, FOLDER = "sitemap.xml", "robots.txt", "sitemaps/"
MAX_URLS = 50_000
MAX_BYTES = 50 * 1024 * 1024
MAX_FILES = 50_000
# "Less than 2,048 characters", as it stands in the file.
MAX_LOCATION = 2_047
# Pages that are different for each visitor.
DISALLOWED = ("/basket", "/checkout", "/account", "/orders/", "/admin", "/sign-")

_NAMESPACE = "http://www.sitemaps.org/schemas/sitemap/0.9"
_QUOTES = {"'": "&apos;", '"': "&quot;"}
# W3C Datetime, as a date or with a time and zone: https://www.w3.org/TR/NOTE-datetime
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?(Z|[+-][0-9]{2}:[0-9]{2}))?")
_XML = re.compile(r"[&<>'\"]")
_IN_LOCATION = "/:@!$'()*+,;=-._~?&"
# A path that needs no escaping in a URL, as nearly every one.
_PLAIN = re.compile(rf"[A-Za-z0-9{re.escape(_IN_LOCATION)}]*")


class BadEntry(ValueError):
    """A location that no sitemap may have; the message is the reason."""


@dataclass(frozen=True)
class Entry:
    """``path`` is the decoded path of a page, ``changed`` the W3C date of its last change, empty if it is unknown."""

    path: str
    changed: str = ""


@dataclass(frozen=True)
class File:
    """``changed`` is the latest change of a page in it, empty if one of them has none."""

    name: str
    content: bytes
    urls: int
    changed: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


def page_url(origin: str, path: str) -> str:
    """The absolute URL of a page, escaped for a URI (RFC 3986) and not yet for XML. Raises ``BadEntry``."""
    if not path.startswith("/") or path.startswith("//"):
        raise BadEntry(f"'{path[:100]}' is no path of this site")
    try:
        encoded = origin + (path if _PLAIN.fullmatch(path) else quote(path, safe=_IN_LOCATION))
    except UnicodeEncodeError as error:
        raise BadEntry("holds half a character") from error
    if len(_escaped(encoded)) > MAX_LOCATION:
        raise BadEntry(f"'{path[:100]}...' is longer than {MAX_LOCATION} characters")
    return encoded


def build_files(
    stem: str, origin: str, entries: Iterable[Entry], max_urls: int = MAX_URLS, max_bytes: int = MAX_BYTES
) -> Iterator[File]:
    """The sitemaps of ``entries`` in their order, each within the protocol's limits; none for no entries.

    Their names begin with ``stem`` and their number. Raises ``BadEntry`` for a page that no sitemap may name.
    """
    head, tail = _frame("urlset")
    lines: list[bytes] = []
    dates: list[str] = []
    size, number = len(head) + len(tail), 1
    for entry in entries:
        line = _line("url", page_url(origin, entry.path), entry.changed)
        if lines and (len(lines) == max_urls or size + len(line) > max_bytes):
            yield _file(f"{stem}-{number}", "urlset", lines, dates)
            lines, dates, size, number = [], [], len(head) + len(tail), number + 1
        lines.append(line)
        dates.append(entry.changed)
        size += len(line)
    if lines:
        yield _file(f"{stem}-{number}", "urlset", lines, dates)


def build_index(origin: str, files: Iterable[tuple[str, str]]) -> bytes:
    """The index of files, (name, date of the last change) each, by name. Raises ``BadEntry`` if there are too many."""
    lines = [_line("sitemap", f"{origin}/{FOLDER}{name}", changed) for name, changed in sorted(files)]
    if len(lines) > MAX_FILES:
        raise BadEntry(f"an index names at most {MAX_FILES} files, not {len(lines)}")
    head, tail = _frame("sitemapindex")
    return head + b"".join(lines) + tail


def build_robots(origin: str) -> bytes:
    """The robots.txt that leads to the index: https://www.rfc-editor.org/rfc/rfc9309"""
    disallowed = "".join(f"Disallow: {path}\n" for path in DISALLOWED)
    return f"User-agent: *\n{disallowed}\nSitemap: {origin}/{INDEX}\n".encode()


def _file(stem: str, root: str, lines: list[bytes], dates: list[str]) -> File:
    head, tail = _frame(root)
    content = head + b"".join(lines) + tail
    digest = hashlib.sha256(content).hexdigest()[:16]
    # Dates in UTC of one form compare as text; a page without one may have changed at any time.
    changed = max(dates) if all(dates) else ""
    return File(f"{stem}-{digest}.xml", content, len(lines), changed)


def _frame(root: str) -> tuple[bytes, bytes]:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} xmlns="{_NAMESPACE}">\n'.encode(), f"</{root}>\n".encode()


def _escaped(url: str) -> str:
    """A URL, escaped for XML."""
    return escape(url, _QUOTES) if _XML.search(url) else url


def _line(element: str, url: str, changed: str) -> bytes:
    if changed and not _DATE.fullmatch(changed):
        raise BadEntry(f"'{changed[:40]}' is no W3C date")
    date = f"<lastmod>{changed}</lastmod>" if changed else ""
    return f"<{element}><loc>{_escaped(url)}</loc>{date}</{element}>\n".encode()

"""Checks of sitemaps before they are released: the protocol, and that a release does not lose much of the shop.

This shares no code with ``files``, which writes them: it reads the bytes that would be released.

https://www.sitemaps.org/protocol.html
"""

from collections.abc import Iterator
from xml.parsers import expat

MAX_URLS = 50_000
MAX_BYTES = 50 * 1024 * 1024
MAX_LOCATION = 2_047
# Fewer URLs than this share of the last release most likely are a fault of the list of products.
LEAST_SHARE = 0.8

_NAMESPACE = "http://www.sitemaps.org/schemas/sitemap/0.9"
# {element: the elements that it may have}; "" is the file.
_CHILDREN = {
    "": {"urlset", "sitemapindex"},
    "urlset": {"url"},
    "sitemapindex": {"sitemap"},
    "url": {"loc", "lastmod"},
    "sitemap": {"loc", "lastmod"},
}


def find_problems(content: bytes, origin: str) -> list[str]:
    """Why a file may not be released; none if it may. All its locations have to begin with ``origin``."""
    if len(content) > MAX_BYTES:
        return [f"is {len(content)} bytes large, more than {MAX_BYTES}"]
    if b"<!" in content:
        return ["holds a declaration, which no sitemap needs"]
    reader = _Reader()
    try:
        reader.read(content)
    except expat.ExpatError as error:
        return [f"is no XML: {error}"]
    return reader.problems or list(_location_problems(reader.locations, origin))


def describe_shrinkage(before: int, now: int) -> str:
    """Why a release of ``now`` URLs is too small after one of ``before``, empty if it is not; a first one may have any size."""
    if before and now < before * LEAST_SHARE:
        return f"{now} URLs, and {before} were released: fewer than {LEAST_SHARE:.0%} of them"
    return ""


def parse_locations(content: bytes) -> list[str]:
    """The locations in a file. Raises ``expat.ExpatError``."""
    reader = _Reader()
    reader.read(content)
    return reader.locations


class _Reader:
    """Reads a file as a stream of elements; a valid one has three levels."""

    def __init__(self) -> None:
        self.locations: list[str] = []
        self.problems: list[str] = []
        self._path = [""]
        self._text: list[str] = []

    def read(self, content: bytes) -> None:
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text.append
        parser.Parse(content, True)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        namespace, _, local = name.rpartition(" ")
        if namespace != _NAMESPACE or attributes:
            self.problems.append(f"has an element or attribute that the protocol does not know: {name}")
        if local not in _CHILDREN.get(self._path[-1], ()):
            self.problems.append(f"has <{local}> where none may be")
        self._path.append(local)
        self._text.clear()

    def _end(self, name: str) -> None:
        if self._path.pop() == "loc":
            self.locations.append("".join(self._text))
        self._text.clear()


def _location_problems(locations: list[str], origin: str) -> Iterator[str]:
    if not locations:
        yield "names nothing"
    if len(locations) > MAX_URLS:
        yield f"names {len(locations)} locations, more than {MAX_URLS}"
    if len(set(locations)) < len(locations):
        yield "names a location twice"
    for url in locations:
        if len(url) > MAX_LOCATION or not url.isascii() or " " in url:
            yield f"has a location that is too long or not escaped: {url[:100]}"
        elif not url.startswith(f"{origin}/") or "#" in url:
            yield f"has a location outside of {origin}: {url[:100]}"

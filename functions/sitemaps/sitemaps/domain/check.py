"""What is wrong with sitemaps before they are released: the protocol, and that a release never loses half of the shop. Pure.

Whoever writes and whoever checks share nothing but the protocol: this reads the bytes that would be released.
"""

from collections.abc import Iterator
from xml.parsers import expat

MAX_URLS = 50_000
MAX_BYTES = 50 * 1024 * 1024
MAX_LOCATION = 2_047
# Fewer URLs than this share of the last release are a fault of whoever tells us the products, until somebody says otherwise.
LEAST_SHARE = 0.8

_NAMESPACE = "http://www.sitemaps.org/schemas/sitemap/0.9"
# {element: what may be in it}; "" is the file.
_INSIDE = {
    "": {"urlset", "sitemapindex"},
    "urlset": {"url"},
    "sitemapindex": {"sitemap"},
    "url": {"loc", "lastmod"},
    "sitemap": {"loc", "lastmod"},
}


def problems(content: bytes, origin: str) -> list[str]:
    """Why a file may not be released, empty if it may. ``origin`` is what all its locations begin with."""
    if len(content) > MAX_BYTES:
        return [f"is {len(content)} bytes large, more than {MAX_BYTES}"]
    if b"<!" in content:
        return ["holds a declaration, which no sitemap needs"]
    reader = _Reader()
    try:
        reader.read(content)
    except expat.ExpatError as error:
        return [f"is no XML: {error}"]
    return reader.problems or list(_of_locations(reader.locations, origin))


def shrunk(before: int, now: int) -> str:
    """Why fewer URLs are not released, empty if there are enough of them. The first release may be of any size."""
    if before and now < before * LEAST_SHARE:
        return f"{now} URLs, and {before} were released: fewer than {LEAST_SHARE:.0%} of them"
    return ""


def locations(content: bytes) -> list[str]:
    """The locations that a file names. Raises ``expat.ExpatError``."""
    reader = _Reader()
    reader.read(content)
    return reader.locations


class _Reader:
    """Reads a file as a stream of elements: what it should hold is three levels deep."""

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
        if local not in _INSIDE.get(self._path[-1], ()):
            self.problems.append(f"has <{local}> where none may be")
        self._path.append(local)
        self._text.clear()

    def _end(self, name: str) -> None:
        if self._path.pop() == "loc":
            self.locations.append("".join(self._text))
        self._text.clear()


def _of_locations(found: list[str], origin: str) -> Iterator[str]:
    if not found:
        yield "names nothing"
    if len(found) > MAX_URLS:
        yield f"names {len(found)} locations, more than {MAX_URLS}"
    if len(set(found)) < len(found):
        yield "names a location twice"
    for url in found:
        if len(url) > MAX_LOCATION or not url.isascii() or " " in url:
            yield f"has a location that is too long or not escaped: {url[:100]}"
        elif not url.startswith(f"{origin}/") or "#" in url:
            yield f"has a location outside of {origin}: {url[:100]}"

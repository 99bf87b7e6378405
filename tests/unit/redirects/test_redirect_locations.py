"""No request is redirected to a host that is not allowed."""

from itertools import zip_longest
from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redirects.domain.targets import is_allowed_location
from redirects.domain.urls import canonical_path
from redirects.requests import parse_redirect_url
from redirects.workflow import redirect_url
from tests.unit.redirects.samples import ELSEWHERE, SITE, SITES, compiled, load_balancer_event, rule

DESTINATIONS = SITES | ELSEWHERE
OPEN = compiled(
    rule("prefix", "/go", "/{rest}", id="go", query={"keep": True}),
    rule("prefix", "/out", "https://help.example.com/{rest}", id="out", query={"keep": True}),
    rule("regex", "/re/(.*)", "/{1}", id="re", examples=["/re/x"]),
    rule("regex", "/abs/(.*)", "https://www.shop.example/{1}?u={1}#{1}", id="abs", examples=["/abs/x"]),
    rule("regex", "/two/([^/]*)/(.*)", "/{1}/{2}", id="two", examples=["/two/a/b"]),
    rule("prefix", "/de", "/{locale}/{rest}", id="locale", locales=["de-de"]),
)
# Strings that are known from open redirects.
TRICKS = (
    "/", "//", "\\", "%2f", "%2F%2f", "%5c", "%255c", "%252f", "@", "%40", ":", "?", "#", "%23", "%3f", ";", "..", "%2e%2e",
     ".", "%00", "%0d%0a", "%09", "\t", " ", "%20", "evil.example", "https:", "http:/", "javascript:", "%E3%80%82", "\u3002",
     "\u2044", "%EF%BC%8F", "www.shop.example", "[::1]", "%c0%af", "\u202e", "{rest}", "{1}", "xn--", "&", "=", "+"
)  # fmt: skip
# Tricks are drawn as letters of a text, each letter a trick: Hypothesis draws one text several times faster than a list.
LETTERS = {chr(0xE000 + number): trick for number, trick in enumerate(TRICKS)}
STARTS = ["/go/", "/out/", "/re/", "/abs/", "/two/", "/de-de/de/", "/go", "/", "//", ""]


@settings(max_examples=1_200, deadline=None)
@given(
    tricks=st.text(LETTERS, max_size=8),
    between=st.text(max_size=8),
    query=st.text(LETTERS, max_size=4),
    host=st.sampled_from([SITE, "evil.example"]),
)
def test_no_path_redirects_to_another_host(tricks: str, between: str, query: str, host: str):
    """12,000 paths. To draw one takes longer than to decide it, so each start gets the parts in another rotation.

    A part is a trick, or some of the text ``between`` them.
    """
    texts = [between[at : at + 2] for at in range(0, len(between), 2)]
    parts = [
        part for pair in zip_longest(map(LETTERS.__getitem__, tricks), texts, fillvalue="") for part in pair if part
    ]
    pairs = list(zip(map(LETTERS.__getitem__, query[::2]), map(LETTERS.__getitem__, query[1::2]), strict=False))
    for start in STARTS:
        assert_stays(start + "".join(parts), pairs, host)
        parts = parts[1:] + parts[:1]


def assert_stays(path: str, query: list[tuple[str, str]], host: str) -> None:
    """Fails if the response redirects to any host but the destinations, or needs another redirect."""
    response = redirect_url(parse_redirect_url(load_balancer_event(path, host, query)), OPEN, show_rules=True)
    for text in (text for values in response["multiValueHeaders"].values() for text in values):
        assert text.isprintable()
        assert text.isascii()
    if "Location" not in response["multiValueHeaders"]:
        assert response["statusCode"] in (400, 404)
        return
    (value,) = response["multiValueHeaders"]["Location"]
    # As a browser reads it: backslashes are slashes, and the location is relative to the request. A semicolon is a character
    # like any other; only Python's urljoin makes "/.." of "/..;".
    url = urlsplit(urljoin(f"https://{SITE}/", value.replace("\\", "/").replace(";", "%3B")))
    assert url.scheme == "https"
    assert url.netloc in DESTINATIONS
    assert is_allowed_location(value, DESTINATIONS)
    # One redirect is enough.
    if url.netloc == SITE:
        assert OPEN.decide(SITE, canonical_path(url.path), ()) is None


@pytest.mark.parametrize(
    "bad",
    ["//evil.example", "/\\evil.example", "https://evil.example/", "http://www.shop.example/", "https://www.shop.example@evil.example",
     "https://www.shop.example:8443/", "javascript:x", "", "/a\r\nb", "/a b", "https:///x", "https://[", "evil.example"],
)  # fmt: skip
def test_a_location_on_another_host_is_not_allowed(bad: str):
    assert not is_allowed_location(bad, DESTINATIONS)

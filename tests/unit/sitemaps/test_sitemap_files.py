"""Sitemap files, their check, and the dates of pages: the rules of the domain, without AWS."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sitemaps.domain.checks import describe_shrinkage, find_problems, parse_locations
from sitemaps.domain.files import (
    MAX_BYTES,
    MAX_LOCATION,
    MAX_URLS,
    BadEntry,
    Entry,
    File,
    build_files,
    build_index,
    page_url,
)
from sitemaps.domain.pages import Page, date_pages, fingerprint

ORIGIN = "https://www.shop.example"
NAMESPACE = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
PATHS = st.text(st.characters(codec="utf-8"), max_size=40).map(lambda text: "/p/" + text)


def entries(count: int) -> Iterator[Entry]:
    return (Entry(f"/products/SP-{number:06}", "2026-01-01") for number in range(count))


def build(count: int) -> list[File]:
    return list(build_files("products", ORIGIN, entries(count)))


@pytest.mark.parametrize(
    ("count", "sizes"),
    [
        (0, []),
        (1, [1]),
        (MAX_URLS, [MAX_URLS]),
        (MAX_URLS + 1, [MAX_URLS, 1]),
        (120_000, [MAX_URLS, MAX_URLS, 20_000]),
    ],
)
def test_a_file_has_at_most_50000_urls(count: int, sizes: list[int]):
    built = build(count)
    assert [file.urls for file in built] == sizes
    assert all(find_problems(file.content, ORIGIN) == [] for file in built)
    urls = [url for file in built for url in parse_locations(file.content)]
    assert urls == [f"{ORIGIN}{entry.path}" for entry in entries(count)]
    index = build_index(ORIGIN, [(file.name, file.changed) for file in built])
    assert parse_locations(index) == [f"{ORIGIN}/sitemaps/{file.name}" for file in built]


def test_a_file_keeps_to_its_maximum_size():
    long = [Entry(f"/{number}" + "x" * 1_900) for number in range(60)]
    built = list(build_files("pages", ORIGIN, long, max_bytes=20_000))
    assert sum(file.urls for file in built) == 60
    assert all(len(file.content) <= 20_000 for file in built)
    assert MAX_URLS * (MAX_LOCATION + 80) > MAX_BYTES, "otherwise the size would not matter"


def test_the_same_pages_give_the_same_file_and_name():
    assert build(1_000) == build(1_000)
    assert build(1_000)[0].name != build(999)[0].name


@given(st.lists(PATHS, unique=True, min_size=1, max_size=30))
@settings(max_examples=200)
def test_a_parser_reads_every_path_unchanged(paths: list[str]):
    [file] = build_files("pages", ORIGIN, map(Entry, paths))
    root = ElementTree.fromstring(file.content)
    urls = [unquote(element.text or "") for element in root.iter(f"{NAMESPACE}loc")]
    assert [url.removeprefix(ORIGIN) for url in urls] == [unquote(path.replace("%", "%25")) for path in paths]
    assert all(url.startswith(f"{ORIGIN}/p/") for url in urls)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/a&b", "/a&b"),
        ("/größe", "/gr%C3%B6%C3%9Fe"),
        ("/a b", "/a%20b"),
        ("/\U0001f9f1", "/%F0%9F%A7%B1"),
        ('/"<>', "/%22%3C%3E"),
        ("/]]>", "/%5D%5D%3E"),
        ("/a\x0bb", "/a%0Bb"),
        ("/a#b", "/a%23b"),
        ("/100%", "/100%25"),
    ],
)
def test_a_url_is_escaped(path: str, expected: str):
    assert page_url(ORIGIN, path) == ORIGIN + expected


@pytest.mark.parametrize("path", ["", "a", "//evil.example/", "https://evil.example/", "/\ud800", "/" + "x" * 2_048])
def test_an_invalid_path_is_refused(path: str):
    with pytest.raises(BadEntry):
        page_url(ORIGIN, path)


def test_a_location_has_at_most_2047_characters():
    room = MAX_LOCATION - len(ORIGIN) - 1
    assert len(page_url(ORIGIN, "/" + "x" * room)) == MAX_LOCATION
    with pytest.raises(BadEntry):
        # An ampersand counts as it is written in the file, escaped.
        page_url(ORIGIN, "/" + "x" * (room - 1) + "&")


@pytest.mark.parametrize(
    ("dates", "changed"),
    [
        (["2026-01-01", "2026-03-01", "2026-02-01"], "2026-03-01"),
        (["2026-01-01", ""], ""),
        (["2026-01-01T10:00:00Z"], "2026-01-01T10:00:00Z"),
    ],
)
def test_a_file_has_the_date_of_its_latest_change(dates: list[str], changed: str):
    [file] = build_files("pages", ORIGIN, [Entry(f"/{number}", date) for number, date in enumerate(dates)])
    assert file.changed == changed


def test_a_date_in_another_format_is_refused():
    with pytest.raises(BadEntry):
        list(build_files("pages", ORIGIN, [Entry("/a", "yesterday")]))


# --- the check ---


def urlset(*urls: str, more: str = "") -> bytes:
    inner = "".join(f"<url><loc>{url}</loc></url>" for url in urls)
    return f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{inner}{more}</urlset>'.encode()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no XML"),
        (b"<urlset>", "no XML"),
        (urlset(f"{ORIGIN}/a")[:-5], "no XML"),
        (b'<!DOCTYPE urlset [<!ENTITY a "b">]>' + urlset(f"{ORIGIN}/a"), "declaration"),
        (urlset(), "names nothing"),
        (urlset(f"{ORIGIN}/a", f"{ORIGIN}/a"), "twice"),
        (urlset("https://evil.example/a"), "outside"),
        (urlset("http://www.shop.example/a"), "outside"),
        (urlset("https://www.shop.example.evil.example/a"), "outside"),
        (urlset(f"{ORIGIN}/a#b"), "outside"),
        (urlset(f"{ORIGIN}/" + "x" * 2_048), "too long"),
        (urlset(f"{ORIGIN}/ä"), "not escaped"),
        (urlset(f"{ORIGIN}/a b"), "not escaped"),
        (urlset(*(f"{ORIGIN}/{number}" for number in range(MAX_URLS + 1))), "more than 50000"),
        (urlset(f"{ORIGIN}/a", more="<priority>1</priority>"), "where none may be"),
        (urlset(f"{ORIGIN}/a", more='<url x="1"><loc>https://www.shop.example/b</loc></url>'), "does not know"),
        (b"<urlset><url><loc>https://www.shop.example/a</loc></url></urlset>", "does not know"),
        (b" " * (MAX_BYTES + 1), "bytes large"),
    ],
)
def test_the_check_finds_violations_of_the_protocol(content: bytes, reason: str):
    assert any(reason in problem for problem in find_problems(content, ORIGIN))


@pytest.mark.parametrize(
    ("before", "now", "is_too_small"),
    [(0, 0, False), (0, 5, False), (100, 80, False), (100, 79, True), (100, 0, True), (1, 0, True), (100, 1000, False)],
)
def test_a_release_below_80_percent_of_the_last_is_too_small(before: int, now: int, is_too_small: bool):
    assert bool(describe_shrinkage(before, now)) == is_too_small


# --- changes ---


def test_a_fingerprint_ignores_the_order_of_members():
    assert fingerprint({"a": 1, "b": [2]}) == fingerprint({"b": [2], "a": 1}) != fingerprint({"a": 1, "b": [3]})


@given(
    st.dictionaries(st.text(max_size=3).map("/{}".format), st.sampled_from("xyz")),
    st.dictionaries(st.text(max_size=3).map("/{}".format), st.sampled_from("xyz")),
)
def test_a_page_keeps_its_day_until_its_content_changes(before: dict[str, str], now: dict[str, str]):
    released = [Page(path, content, "2026-01-01") for path, content in sorted(before.items())]
    pages = list(date_pages(sorted(now.items()), released, "2026-06-01"))
    assert [(page.path, page.fingerprint) for page in pages] == sorted(now.items())
    unchanged = {path for path in now if before.get(path) == now[path]}
    assert {page.path for page in pages if page.changed == "2026-01-01"} == unchanged


def test_of_two_pages_with_one_path_the_first_counts():
    assert [page.fingerprint for page in date_pages([("/a", "x"), ("/a", "y")], [], "2026-01-01")] == ["x"]


def test_pages_out_of_order_are_refused():
    with pytest.raises(ValueError, match="/a comes after /b"):
        list(date_pages([("/b", "x"), ("/a", "y")], [], "2026-01-01"))

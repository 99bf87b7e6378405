"""Canonical hosts, paths and query strings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redirects.domain.urls import InvalidPath, PathOptions, canonical_path, format_query, parse_host, parse_query


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("/", "/"),
        ("/a/b.html", "/a/b.html"),
        ("/%61", "/a"),
        ("/a%2Fb", "/a%2Fb"),
        ("/a%2fb", "/a%2Fb"),
        ("/%252F", "/%252F"),
        ("/%5Cevil", "/%5Cevil"),
        ("/\\evil", "/%5Cevil"),
        ("/größe", "/gr%C3%B6%C3%9Fe"),
        ("/gro\u0308\u00dfe", "/gr%C3%B6%C3%9Fe"),
        ("/gr%c3%b6%c3%9fe", "/gr%C3%B6%C3%9Fe"),
        ("//a", "//a"),
        ("/a b", "/a%20b"),
        ("/a?b", "/a%3Fb"),
        ("/.well-known/x", "/.well-known/x"),
        ("/\U0001f9f1", "/%F0%9F%A7%B1"),
    ],
)
def test_a_path_has_one_canonical_form(raw: str, expected: str):
    assert canonical_path(raw) == expected
    assert canonical_path(expected) == expected


@pytest.mark.parametrize(
    "raw",
    ["", "a", "*", "/%", "/%2", "/%zz", "/%ff", "/%c3", "/a/../b", "/%2e%2E/b", "/a/.", "/%0d%0aX: y", "/\x00", "/%E2%80%A8",
     "/" + "a" * 8192, "/\ud800"],
)  # fmt: skip
def test_an_invalid_path_has_no_canonical_form(raw: str):
    with pytest.raises(InvalidPath):
        canonical_path(raw)


@pytest.mark.parametrize(
    ("header", "host"),
    [
        ("Shop.Example", "shop.example"),
        ("shop.example:8080", "shop.example"),
        ("shop.example.", "shop.example"),
        ("", ""),
    ],
)
def test_a_host_is_parsed_without_case_port_and_last_dot(header: str, host: str):
    assert parse_host(header) == host


@pytest.mark.parametrize(
    ("options", "path", "key"),
    [
        (PathOptions(), "/A/", "/A"),
        (PathOptions(), "/", "/"),
        (PathOptions(ignore_trailing_slash=False), "/A/", "/A/"),
        (PathOptions(ignore_case=True), "/A/B", "/a/b"),
        (PathOptions(index_pages=("index.html",)), "/a/index.html", "/a"),
        (PathOptions(index_pages=("index.html",)), "/a/Index.html", "/a/Index.html"),
        (PathOptions(ignore_case=True, index_pages=("index.html",)), "/a/Index.html", "/a"),
        (PathOptions(ignore_trailing_slash=False, index_pages=("index.html",)), "/a/index.html", "/a/"),
        (PathOptions(index_pages=("index.html",)), "/a/myindex.html", "/a/myindex.html"),
    ],
)
def test_ignored_differences_between_paths_have_one_lookup_key(options: PathOptions, path: str, key: str):
    assert options.lookup_key(options.trim(path)) == key


@given(st.text(st.characters(codec="utf-8"), max_size=60))
def test_a_canonical_path_is_ascii_and_canonical(text: str):
    try:
        path = canonical_path("/" + text)
    except InvalidPath:
        return
    assert path.isascii()
    assert canonical_path(path) == path


def test_a_parsed_query_is_formatted_again():
    assert format_query(parse_query("a=1&&b=&c")) == "?a=1&b=&c="
    assert format_query(()) == ""

"""What rules say about a request: precedence, hosts, locales, queries, and that nothing leads to a foreign host."""

from itertools import zip_longest
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redirects.domain.paths import BadPath, Folding, canonical, host_name, parse_query, query_text
from redirects.domain.rules import BadRule, Decision, RedirectLoop, RuleSet, compile_rules
from redirects.domain.targets import harmless
from redirects.views import answer, request_of

SITE = "www.shop.example"
SITES = {SITE, "old.shop.example"}
ELSEWHERE = {"help.example.com"}
DESTINATIONS = SITES | ELSEWHERE


def rule(match: str = "exact", path: str = "/a", to: str | None = "/b", **more: Any) -> dict[str, Any]:
    return {"id": more.pop("id", "one"), "match": match, "from": path, **({"to": to} if to else {}), **more}


def compiled(*rules: dict[str, Any], **paths: Any) -> RuleSet:
    return compile_rules({"paths": paths, "rules": list(rules)}, SITES, ELSEWHERE)


def decided(rules: RuleSet, url: str, host: str = SITE) -> Decision | None:
    path, _, query = url.partition("?")
    return rules.decide(host, canonical(path), parse_query(query))


def location(rules: RuleSet, url: str, host: str = SITE) -> str:
    decision = decided(rules, url, host)
    return decision.location if decision else ""


# --- paths ---


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
def test_one_form_for_a_path(raw: str, expected: str):
    assert canonical(raw) == expected
    assert canonical(expected) == expected


@pytest.mark.parametrize(
    "raw",
    ["", "a", "*", "/%", "/%2", "/%zz", "/%ff", "/%c3", "/a/../b", "/%2e%2E/b", "/a/.", "/%0d%0aX: y", "/\x00", "/%E2%80%A8",
     "/" + "a" * 8192, "/\ud800"],
)  # fmt: skip
def test_a_path_that_means_nothing_is_refused(raw: str):
    with pytest.raises(BadPath):
        canonical(raw)


@pytest.mark.parametrize(
    ("header", "host"),
    [
        ("Shop.Example", "shop.example"),
        ("shop.example:8080", "shop.example"),
        ("shop.example.", "shop.example"),
        ("", ""),
    ],
)
def test_hosts_are_compared_without_case_and_port(header: str, host: str):
    assert host_name(header) == host


@pytest.mark.parametrize(
    ("folding", "path", "key"),
    [
        (Folding(), "/A/", "/A"),
        (Folding(), "/", "/"),
        (Folding(ignore_trailing_slash=False), "/A/", "/A/"),
        (Folding(ignore_case=True), "/A/B", "/a/b"),
        (Folding(index_pages=("index.html",)), "/a/index.html", "/a"),
        (Folding(index_pages=("index.html",)), "/a/Index.html", "/a/Index.html"),
        (Folding(ignore_case=True, index_pages=("index.html",)), "/a/Index.html", "/a"),
        (Folding(ignore_trailing_slash=False, index_pages=("index.html",)), "/a/index.html", "/a/"),
        (Folding(index_pages=("index.html",)), "/a/myindex.html", "/a/myindex.html"),
    ],
)
def test_what_was_one_page_on_the_old_site_is_one_path(folding: Folding, path: str, key: str):
    assert folding.key(folding.trimmed(path)) == key


@given(st.text(st.characters(codec="utf-8"), max_size=60))
def test_the_one_form_is_ascii_and_stays_as_it_is(text: str):
    try:
        form = canonical("/" + text)
    except BadPath:
        return
    assert form.isascii()
    assert canonical(form) == form


# --- precedence ---

PRECEDENCE = compiled(
    rule("regex", "/old/.*", "/by-expression", id="expression", examples=["/old/x"]),
    rule("prefix", "/shop", "/by-prefix/{rest}", id="prefix"),
    rule("prefix", "/shop/toys", "/by-longer-prefix/{rest}", id="longer"),
    rule("exact", "/shop/toys/1", "/by-exact", id="exact"),
    rule("exact", "/shop/toys/1", "/by-host", id="host", hosts=["old.shop.example"]),
    rule("prefix", "/shop/toys", "/by-host-prefix/{rest}", id="host-prefix", hosts=["old.shop.example"]),
    rule("regex", "/old/(x)", "/never", id="second", examples=["/old/x"]),
    rule("regex", "/only/(x)", "/on-old", id="expression-host", hosts=["old.shop.example"], examples=["/only/x"]),
)


@pytest.mark.parametrize(
    ("host", "path", "expected"),
    [
        (SITE, "/shop/toys/1", "/by-exact"),
        (SITE, "/shop/toys/1/", "/by-exact"),
        (SITE, "/shop/toys/1/2", "/by-longer-prefix/1/2"),
        (SITE, "/shop/toys", "/by-longer-prefix"),
        (SITE, "/shop/toyshop", "/by-prefix/toyshop"),
        (SITE, "/shop", "/by-prefix"),
        (SITE, "/shopping", ""),
        (SITE, "/SHOP", ""),
        (SITE, "/old/x", "/by-expression"),
        (SITE, "/very/old/x", ""),
        (SITE, "/only/x", ""),
        ("old.shop.example", "/only/x", "/on-old"),
        ("old.shop.example", "/shop/toys/1", "/by-host"),
        ("old.shop.example", "/shop/toys/2", "/by-host-prefix/2"),
        ("old.shop.example", "/shop/2", "/by-prefix/2"),
        (SITE, "/" + "shop/" * 1500, "/by-prefix/" + "/".join(["shop"] * 1499)),
    ],
)
def test_exact_before_the_longest_prefix_before_expressions(host: str, path: str, expected: str):
    assert location(PRECEDENCE, path, host) == expected


def test_locales_are_the_first_segment():
    rules = compiled(
        rule("exact", "/jobs", "https://help.example.com/{locale}/jobs", id="jobs", locales=["de-de", "fr-fr"]),
        rule("prefix", "/toys", "/{locale}/products/{rest}", id="toys", locales=["de-de", "fr-fr"]),
        rule("regex", "/p/(\\d+)|/q/(\\d+)", "/{locale}/p-{1}{2}", id="p", locales=["de-de"], examples=["/de-de/p/1"]),
    )
    assert location(rules, "/fr-fr/jobs") == "https://help.example.com/fr-fr/jobs"
    assert location(rules, "/de-de/toys/a") == "/de-de/products/a"
    assert location(rules, "/de-de/p/7") == "/de-de/p-7"
    assert location(rules, "/de-de/q/7") == "/de-de/p-7"
    assert not any(location(rules, path) for path in ("/jobs", "/en-gb/jobs", "/fr-fr/p/7", "/q/7"))


def test_letters_stay_as_they_came_where_case_does_not_matter():
    rules = compiled(
        rule("prefix", "/Old", "/new/{rest}"),
        rule("regex", "/P/(?P<name>\\w+)", "/products/{name}", id="p", examples=["/p/x"]),
        ignore_case=True,
    )
    assert location(rules, "/OLD/Ice-Rover") == "/new/Ice-Rover"
    assert location(rules, "/p/IceRover") == "/products/IceRover"


# --- queries ---


@pytest.mark.parametrize(
    ("query", "to", "asked", "expected"),
    [
        ({}, "/b", "?a=1", "/b"),
        ({"keep": True}, "/b", "?a=1&a=2&b", "/b?a=1&a=2&b="),
        ({"keep": ["a"]}, "/b", "?b=1&a=2", "/b?a=2"),
        ({"keep": False}, "/b", "?a=1", "/b"),
        ({"set": {"c": "x y"}}, "/b", "?c=1", "/b?c=x%20y"),
        ({"keep": True, "set": {"c": "3"}}, "/b?own=1", "?c=1&own=2&d=4", "/b?own=1&d=4&c=3"),
        ({"keep": True}, "/b", "?x=%0d%0aSet-Cookie:%20a", "/b?x=%0D%0ASet-Cookie%3A%20a"),
        ({"keep": True}, "/b", "?x=%zz&y=%ff", "/b?x=%25zz&y=%FF"),
        ({"keep": True}, "/b#part", "?x=1", "/b?x=1#part"),
        ({"keep": ["größe"]}, "/b", "?gr%C3%B6%C3%9Fe=1", "/b?gr%C3%B6%C3%9Fe=1"),
    ],
)
def test_queries_are_kept_dropped_and_set(query: dict[str, Any], to: str, asked: str, expected: str):
    assert location(compiled(rule(to=to, query=query)), "/a" + asked) == expected


def test_a_captured_part_cannot_become_a_parameter():
    rules = compiled(rule("regex", "/find/(.*)", "/search?q={1}", examples=["/find/x"]))
    assert location(rules, "/find/a&admin=1") == "/search?q=a%26admin%3D1"
    assert location(rules, "/find/a%26b%20c") == "/search?q=a%26b%20c"


def test_query_text_and_its_reading_agree():
    assert query_text(parse_query("a=1&&b=&c")) == "?a=1&b=&c="
    assert query_text(()) == ""


# --- following, caching ---


def test_rules_that_lead_to_each_other_are_one_hop():
    rules = compiled(
        rule("exact", "/a", "/b", id="a", status=301, max_age=100),
        rule("exact", "/b", "https://old.shop.example/c", id="b", status=302, max_age=50),
        rule(
            "exact",
            "/c",
            "https://help.example.com/d",
            id="c",
            hosts=["old.shop.example"],
            max_age=70,
            shared_max_age=10,
        ),
        rule("exact", "/d", "/a", id="d"),
        rule("exact", "/gone", None, id="gone", status=410),
        rule("exact", "/to-gone", "/gone", id="to-gone"),
    )
    decision = decided(rules, "/a")
    assert decision
    assert (decision.status, decision.location) == (302, "https://help.example.com/d")
    assert (decision.max_age, decision.shared_max_age) == (50, 10)
    assert [followed.id for followed in decision.rules] == ["a", "b", "c"]
    gone = decided(rules, "/to-gone")
    assert gone
    assert (gone.status, gone.location) == (410, "")


@pytest.mark.parametrize(
    ("first", "second", "status"), [(301, 308, 301), (308, 301, 308), (301, 302, 302), (308, 302, 307), (307, 301, 307)]
)
def test_a_way_is_permanent_if_all_of_it_is(first: int, second: int, status: int):
    rules = compiled(rule("exact", "/a", "/b", id="a", status=first), rule("exact", "/b", "/c", id="b", status=second))
    decision = decided(rules, "/a")
    assert decision
    assert decision.status == status


@pytest.mark.parametrize(
    "rules",
    [
        [rule("exact", "/a", "/a/")],
        [rule("exact", "/a", "/b"), rule("exact", "/b", "/a", id="two")],
        [rule("prefix", "/a", "/a/more/{rest}")],
        [rule("regex", "/a.*", "/ab", examples=["/a"])],
    ],
)
def test_rules_that_lead_to_each_other_lead_nowhere(rules: list[dict[str, Any]]):
    with pytest.raises(RedirectLoop):
        decided(compiled(*rules), "/a")
    event = {"httpMethod": "GET", "path": "/a", "multiValueHeaders": {"host": [SITE]}}
    assert answer(request_of(event), compiled(*rules), name_rules=False)["statusCode"] == 404


# --- rules that cannot be used ---


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (rule(to="https://evil.example/b"), "not a destination host"),
        (rule(to="https://www.shop.example.evil.example/"), "not a destination host"),
        (rule(to="http://www.shop.example/b"), "neither a path"),
        (rule(to="//evil.example"), "neither a path"),
        (rule(to="/\\evil.example"), "neither a path"),
        (rule(to="https://user@www.shop.example/"), "neither a path"),
        (rule(to="https://www.shop.example:444/"), "neither a path"),
        (rule("prefix", to="https://www.shop.example{rest}"), "neither a path"),
        (rule("prefix", to="{rest}"), "neither a path"),
        (rule(to="javascript:alert(1)"), "neither a path"),
        (rule(to="/b c"), "neither a path"),
        (rule(to="/b\r\nX: y"), "neither a path"),
        (rule(to="/{rest}"), "placeholder"),
        (rule("regex", "/(x)", "/{2}", examples=["/x"]), "placeholder"),
        (rule(to="/{locale}"), "placeholder"),
        (rule(to="/{}"), "placeholder"),
        (rule(path="/%zz"), "escape"),
        (rule("regex", "/(a)\\1", examples=["/aa"]), "RE2"),
        (rule("regex", "/(?=a).*", examples=["/a"]), "RE2"),
        (rule("regex", "/(((a{30}){30}){30})", examples=["/a"]), "RE2"),
        (rule("regex", "/((a{20}){20}){20}|b", examples=["/a"]), "RE2"),
        (
            rule("regex", "/[a-z]{900}[a-z]{900}[a-z]{900}[a-z]{900}[a-z]{900}[a-z]{900}", examples=["/a"]),
            "instructions",
        ),
        (rule("regex", "/" + "a" * 500, examples=["/a"]), "longer than"),
        (rule("regex", ".*", examples=["/a"]), "begin with the slash"),
    ],
)
def test_a_rule_that_cannot_be_used_says_why(bad: dict[str, Any], reason: str):
    with pytest.raises(BadRule, match=reason) as refused:
        compiled(rule(id="fine", path="/fine"), bad)
    assert refused.value.number == 2


def test_two_rules_for_one_path_are_refused():
    for second in (rule(path="/a/", id="two"), rule(path="/%61", id="two")):
        with pytest.raises(BadRule, match="shadowed by rule 1"):
            compiled(rule(), second)
    compiled(rule(), rule("prefix", id="prefix"), rule(hosts=["old.shop.example"], id="host"))


# --- no Location on a foreign host ---

OPEN = compiled(
    rule("prefix", "/go", "/{rest}", id="go", query={"keep": True}),
    rule("prefix", "/out", "https://help.example.com/{rest}", id="out", query={"keep": True}),
    rule("regex", "/re/(.*)", "/{1}", id="re", examples=["/re/x"]),
    rule("regex", "/abs/(.*)", "https://www.shop.example/{1}?u={1}#{1}", id="abs", examples=["/abs/x"]),
    rule("regex", "/two/([^/]*)/(.*)", "/{1}/{2}", id="two", examples=["/two/a/b"]),
    rule("prefix", "/de", "/{locale}/{rest}", id="locale", locales=["de-de"]),
)
# What has led out of such services before, and anything else.
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
def test_no_path_leads_to_a_foreign_host(tricks: str, between: str, query: str, host: str):
    """12,000 paths: to draw one takes longer than to answer it, so each start gets the parts from another one on.

    A part is a trick, or some of the text that goes ``between`` them.
    """
    texts = [between[at : at + 2] for at in range(0, len(between), 2)]
    parts = [
        part for pair in zip_longest(map(LETTERS.__getitem__, tricks), texts, fillvalue="") for part in pair if part
    ]
    pairs = list(zip(map(LETTERS.__getitem__, query[::2]), map(LETTERS.__getitem__, query[1::2]), strict=False))
    for start in STARTS:
        stays(start + "".join(parts), pairs, host)
        parts = parts[1:] + parts[:1]


def stays(path: str, query: list[tuple[str, str]], host: str) -> None:
    """Fails if the answer leads anywhere but to the destinations."""
    event = {
        "httpMethod": "GET",
        "path": path,
        "multiValueQueryStringParameters": {name: [value] for name, value in query},
        "multiValueHeaders": {"host": [host]},
    }
    response = answer(request_of(event), OPEN, name_rules=True)
    for value in (text for values in response["multiValueHeaders"].values() for text in values):
        assert value.isprintable()
        assert value.isascii()
    if "Location" not in response["multiValueHeaders"]:
        assert response["statusCode"] in (400, 404)
        return
    (to,) = response["multiValueHeaders"]["Location"]
    # As a browser reads it: backslashes are slashes, and the location is relative to what was asked. A semicolon is a letter
    # like any other; only Python's urljoin makes "/.." of "/..;".
    read = urlsplit(urljoin(f"https://{SITE}/", to.replace("\\", "/").replace(";", "%3B")))
    assert read.scheme == "https"
    assert read.netloc in DESTINATIONS
    assert harmless(to, DESTINATIONS)
    # And one hop is all.
    if read.netloc == SITE:
        assert OPEN.decide(SITE, canonical(read.path), ()) is None


@pytest.mark.parametrize(
    "bad",
    ["//evil.example", "/\\evil.example", "https://evil.example/", "http://www.shop.example/", "https://www.shop.example@evil.example",
     "https://www.shop.example:8443/", "javascript:x", "", "/a\r\nb", "/a b", "https:///x", "https://[", "evil.example"],
)  # fmt: skip
def test_the_last_look_refuses(bad: str):
    assert not harmless(bad, DESTINATIONS)


# --- cost ---


def test_an_expression_takes_time_linear_in_the_path():
    """Python's own engine would not come to an end here."""
    rules = compiled(rule("regex", "/(a+)+(b|c)", examples=["/ab"]))
    assert decided(rules, "/" + "a" * 8000) is None

"""Decisions of rules: precedence, hosts, locales, queries, rules that redirect to each other; invalid rules."""

from typing import Any

import pytest

from redirects.domain.compiler import InvalidRule
from redirects.domain.rules import RedirectLoop
from redirects.requests import parse_redirect_url
from redirects.workflow import redirect_url
from tests.unit.redirects.samples import OLD_SITE, SITE, compiled, decide, load_balancer_event, location, rule

# --- precedence ---

PRECEDENCE = compiled(
    rule("regex", "/old/.*", "/by-expression", id="expression", examples=["/old/x"]),
    rule("prefix", "/shop", "/by-prefix/{rest}", id="prefix"),
    rule("prefix", "/shop/toys", "/by-longer-prefix/{rest}", id="longer"),
    rule("exact", "/shop/toys/1", "/by-exact", id="exact"),
    rule("exact", "/shop/toys/1", "/by-host", id="host", hosts=[OLD_SITE]),
    rule("prefix", "/shop/toys", "/by-host-prefix/{rest}", id="host-prefix", hosts=[OLD_SITE]),
    rule("regex", "/old/(x)", "/never", id="second", examples=["/old/x"]),
    rule("regex", "/only/(x)", "/on-old", id="expression-host", hosts=[OLD_SITE], examples=["/only/x"]),
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
        (OLD_SITE, "/only/x", "/on-old"),
        (OLD_SITE, "/shop/toys/1", "/by-host"),
        (OLD_SITE, "/shop/toys/2", "/by-host-prefix/2"),
        (OLD_SITE, "/shop/2", "/by-prefix/2"),
        (SITE, "/" + "shop/" * 1500, "/by-prefix/" + "/".join(["shop"] * 1499)),
    ],
)
def test_exact_rules_precede_prefixes_precede_expressions(host: str, path: str, expected: str):
    assert location(PRECEDENCE, path, host) == expected


def test_a_locale_is_the_first_segment():
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


def test_captured_values_keep_their_case_if_case_is_ignored():
    rules = compiled(
        rule("prefix", "/Old", "/new/{rest}"),
        rule("regex", "/P/(?P<name>\\w+)", "/products/{name}", id="p", examples=["/p/x"]),
        ignore_case=True,
    )
    assert location(rules, "/OLD/Ice-Rover") == "/new/Ice-Rover"
    assert location(rules, "/p/IceRover") == "/products/IceRover"


# --- queries ---


@pytest.mark.parametrize(
    ("query", "to", "request_query", "expected"),
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
def test_parameters_are_kept_dropped_and_set(query: dict[str, Any], to: str, request_query: str, expected: str):
    assert location(compiled(rule(to=to, query=query)), "/a" + request_query) == expected


def test_a_captured_value_cannot_become_a_parameter():
    rules = compiled(rule("regex", "/find/(.*)", "/search?q={1}", examples=["/find/x"]))
    assert location(rules, "/find/a&admin=1") == "/search?q=a%26admin%3D1"
    assert location(rules, "/find/a%26b%20c") == "/search?q=a%26b%20c"


# --- following, caching ---


def test_rules_that_redirect_to_each_other_are_one_redirect():
    rules = compiled(
        rule("exact", "/a", "/b", id="a", status=301, max_age=100),
        rule("exact", "/b", "https://old.shop.example/c", id="b", status=302, max_age=50),
        rule(
            "exact",
            "/c",
            "https://help.example.com/d",
            id="c",
            hosts=[OLD_SITE],
            max_age=70,
            shared_max_age=10,
        ),
        rule("exact", "/d", "/a", id="d"),
        rule("exact", "/gone", None, id="gone", status=410),
        rule("exact", "/to-gone", "/gone", id="to-gone"),
    )
    decision = decide(rules, "/a")
    assert decision
    assert (decision.status, decision.location) == (302, "https://help.example.com/d")
    assert (decision.max_age, decision.shared_max_age) == (50, 10)
    assert [followed.id for followed in decision.rules] == ["a", "b", "c"]
    gone = decide(rules, "/to-gone")
    assert gone
    assert (gone.status, gone.location) == (410, "")


@pytest.mark.parametrize(
    ("first", "second", "status"), [(301, 308, 301), (308, 301, 308), (301, 302, 302), (308, 302, 307), (307, 301, 307)]
)
def test_a_redirect_is_permanent_if_all_rules_are(first: int, second: int, status: int):
    rules = compiled(rule("exact", "/a", "/b", id="a", status=first), rule("exact", "/b", "/c", id="b", status=second))
    decision = decide(rules, "/a")
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
def test_rules_that_redirect_in_a_circle_are_404(rules: list[dict[str, Any]]):
    with pytest.raises(RedirectLoop):
        decide(compiled(*rules), "/a")
    request = parse_redirect_url(load_balancer_event("/a"))
    assert redirect_url(request, compiled(*rules), show_rules=False)["statusCode"] == 404


# --- invalid rules ---


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
        (rule("regex", ".*", examples=["/a"]), "begin with a slash"),
    ],
)
def test_an_invalid_rule_is_rejected_with_its_number_and_reason(bad: dict[str, Any], reason: str):
    with pytest.raises(InvalidRule, match=reason) as error:
        compiled(rule(id="fine", path="/fine"), bad)
    assert error.value.number == 2


def test_two_rules_for_one_path_are_rejected():
    for second in (rule(path="/a/", id="two"), rule(path="/%61", id="two")):
        with pytest.raises(InvalidRule, match="shadowed by rule 1"):
            compiled(rule(), second)
    compiled(rule(), rule("prefix", id="prefix"), rule(hosts=[OLD_SITE], id="host"))


def test_an_expression_takes_time_linear_in_the_path():
    """Python's own engine would need exponential time."""
    rules = compiled(rule("regex", "/(a+)+(b|c)", examples=["/ab"]))
    assert decide(rules, "/" + "a" * 8000) is None

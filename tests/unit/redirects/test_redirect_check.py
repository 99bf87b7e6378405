"""What is refused before it is published, with the number of the rule and the reason."""

import json
from typing import Any

import pytest

from local.redirects import SAMPLES
from local.settings import ROOT
from redirects.domain.check import problems

SCHEMA = json.loads((ROOT / "schemas" / "redirects" / "rules.json").read_text())
SITES, DESTINATIONS = {"www.shop.example"}, {"help.example.com"}


def rule(number: int = 1, match: str = "exact", path: str = "/a", to: str | None = "/b", **more: Any) -> dict[str, Any]:
    return {"id": f"r{number}", "match": match, "from": path, **({"to": to} if to else {}), **more}


def found(*rules: Any, **more: Any) -> list[str]:
    return problems({"rules": list(rules), **more}, SCHEMA, SITES, DESTINATIONS)


def test_the_samples_have_no_problem():
    assert problems(json.loads(SAMPLES.read_text()), SCHEMA, SITES, ()) == []


@pytest.mark.parametrize(
    "good",
    [
        [rule()],
        [rule(), rule(2, "prefix", "/a", "/c")],
        [rule(1, "prefix", "/a", "/c/{rest}"), rule(2, "prefix", "/a/b", "/d/{rest}")],
        [rule(to="https://help.example.com/x")],
        [rule(1, "regex", "/p/([0-9]+)", "/products/{1}", examples=["/p/1"])],
        [rule(1, "regex", "/p/[0-9]+", "/n", examples=["/p/1"]), rule(2, "regex", "/p/.*", "/t", examples=["/p/x"])],
        [rule(to=None, status=410)],
        [rule(to="https://help.example.com/a")],
        [rule(1, path="/imprint", locales=["de-de"], to="/pages/imprint?locale={locale}")],
    ],
)
def test_what_may_be_published(good: list[Any]):
    assert found(*good) == []


@pytest.mark.parametrize(
    ("bad", "number", "reason"),
    [
        ([rule(to="/a")], 1, "circle"),
        ([rule(to="/a?x=1")], 1, "circle"),
        ([rule(path="/a", to="/b"), rule(2, path="/b", to="/a")], 1, "circle"),
        ([rule(1, "prefix", "/a", "/a/b")], 1, "circle"),
        ([rule(path="/a", to="/b"), rule(2, path="/b", to="/c")], 1, "rule 2 (r2), which leads on"),
        ([rule(path="/a", to="https://www.shop.example/b"), rule(2, path="/b", to="/c")], 1, "leads on"),
        ([rule(), rule(2)], 2, "shadowed by rule 1 (r1)"),
        ([rule(), rule(2, path="/a/")], 2, "shadowed by rule 1"),
        ([rule(1, "prefix", "/p", "/n"), rule(2, "regex", "/p/.*", "/t", examples=["/p/x"])], 2, "shadowed by rule 1"),
        (
            [
                rule(1, "regex", "/p/.*", "/n", examples=["/p/x"]),
                rule(2, "regex", "/p/[0-9]+", "/t", examples=["/p/1"]),
            ],
            2,
            "shadowed by rule 1",
        ),
        ([rule(1, "regex", "/p/[0-9]+", "/n", examples=["/p/x"])], 1, "does not match its example"),
        ([rule(to="https://evil.example/")], 1, "evil.example is not a destination"),
        ([rule(to="//evil.example/")], 1, "neither a path"),
        ([rule(to="/\\evil.example/")], 1, "neither a path"),
        ([rule(to="javascript:alert(1)")], 1, "neither a path"),
        ([rule(to="https://user@www.shop.example/")], 1, "neither a path"),
        ([rule(to="/b\r\nSet-Cookie: a=b")], 1, "neither a path"),
        ([rule(1, "prefix", "/a", "/{other}")], 1, "placeholder"),
        ([rule(1, "regex", r"/(a)\1", "/b", examples=["/aa"])], 1, "RE2 refuses"),
        ([rule(1, "regex", "/(?=a)a", "/b", examples=["/a"])], 1, "RE2 refuses"),
        ([rule(1, "regex", "/(a{1000}){1000}", "/b", examples=["/a"])], 1, ""),
        ([rule(1, "regex", "/[a", "/b", examples=["/a"])], 1, "RE2 refuses"),
        ([rule(hosts=["old.shop.example"])], 1, "no host of this site"),
        ([rule(), rule(1, path="/c", to="/d")], 2, "has the id r1 of rule 1"),
        ([rule(status=200)], 1, "status"),
        ([rule(status=410)], 1, ""),
        ([rule(path="a")], 1, "from"),
        ([rule(path="/a/../b")], 1, "dot segment"),
        ([rule(path="/a%zz")], 1, "begins no escape"),
        ([rule(max_age=-1)], 1, "max_age"),
        ([rule(unknown=1)], 1, "unknown"),
        ([rule(to=None)], 1, "'to' is a required property"),
        ([rule(1, "regex", "/p", "/b")], 1, "examples"),
        (["text"], 1, "is not of type 'object'"),
    ],
)
def test_what_is_refused(bad: list[Any], number: int, reason: str):
    told = found(*bad)
    assert any(each.startswith(f"rule {number}: ") and reason in each for each in told), told


@pytest.mark.parametrize("document", [{}, [], None, "rules", {"rules": []}, {"rules": {}}, {"rules": [], "more": 1}])
def test_what_is_no_rule_file_is_refused(document: Any):
    assert problems(document, SCHEMA, SITES, DESTINATIONS)

"""The check of a rule file before it is published: each problem has the number of its rule and a reason."""

import json
from typing import Any

import pytest

from model.settings import ROOT
from redirects.domain.validation import find_problems
from tests.unit.redirects import samples
from tools.redirects import SAMPLES

SCHEMA = json.loads((ROOT / "schemas" / "redirects" / "rules.json").read_text())
SITES, DESTINATIONS = {"www.shop.example"}, {"help.example.com"}


def rule(
    number: int = 1, match: str = "exact", path: str = "/a", to: str | None = "/b", **members: Any
) -> dict[str, Any]:
    return samples.rule(match, path, to, id=f"r{number}", **members)


def problems_of(rules: list[Any]) -> list[str]:
    return find_problems({"rules": rules}, SCHEMA, SITES, DESTINATIONS)


def test_the_samples_may_be_published():
    assert find_problems(json.loads(SAMPLES.read_text()), SCHEMA, SITES, ()) == []


@pytest.mark.parametrize(
    "rules",
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
def test_valid_rules_have_no_problems(rules: list[Any]):
    assert problems_of(rules) == []


@pytest.mark.parametrize(
    ("rules", "number", "reason"),
    [
        ([rule(to="/a")], 1, "circle"),
        ([rule(to="/a?x=1")], 1, "circle"),
        ([rule(path="/a", to="/b"), rule(2, path="/b", to="/a")], 1, "circle"),
        ([rule(1, "prefix", "/a", "/a/b")], 1, "circle"),
        ([rule(path="/a", to="/b"), rule(2, path="/b", to="/c")], 1, "redirects to rule 2 (r2)"),
        ([rule(path="/a", to="https://www.shop.example/b"), rule(2, path="/b", to="/c")], 1, "redirects to rule 2"),
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
        ([rule(1, "regex", r"/(a)\1", "/b", examples=["/aa"])], 1, "RE2 rejects"),
        ([rule(1, "regex", "/(?=a)a", "/b", examples=["/a"])], 1, "RE2 rejects"),
        ([rule(1, "regex", "/(a{1000}){1000}", "/b", examples=["/a"])], 1, ""),
        ([rule(1, "regex", "/[a", "/b", examples=["/a"])], 1, "RE2 rejects"),
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
def test_a_problem_has_the_number_of_its_rule_and_a_reason(rules: list[Any], number: int, reason: str):
    problems = problems_of(rules)
    assert any(problem.startswith(f"rule {number}: ") and reason in problem for problem in problems), problems


@pytest.mark.parametrize("document", [{}, [], None, "rules", {"rules": []}, {"rules": {}}, {"rules": [], "more": 1}])
def test_a_document_that_is_not_a_rule_file_has_problems(document: Any):
    assert find_problems(document, SCHEMA, SITES, DESTINATIONS)

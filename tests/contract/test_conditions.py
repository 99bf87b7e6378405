"""Every condition of a write to DynamoDB has a test that notices when it is weakened: ``make condition-mutation`` found it."""

import json
import re

import pytest

from local import condition_mutation
from local.condition_mutation import KNOWN, Clause, clauses, general, weakened
from local.settings import ROOT
from tests.interleavings.invariants import SCENARIOS

ROWS = [Clause(**row) for row in json.loads(KNOWN.read_text())]


def test_every_condition_is_listed():
    listed = {(row.file, row.function) for row in ROWS}
    assert {(site.file, site.function) for site in condition_mutation.sites()} == listed, "make condition-mutation"


def test_clauses_outside_of_python_are_those_that_are_listed():
    """Those of Python are compared in each race and unit test that sends them (tests/conditions.py)."""
    listed = {(row.file, row.function, row.text) for row in ROWS if not row.file.endswith(".py")}
    assert {(each.file, each.function, each.text) for each in condition_mutation.written()} == listed


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.file} {row.function} {row.text}")
def test_a_test_notices(row: Clause):
    file, _, test = row.noticed_by.partition("::")
    assert (ROOT / file).is_file(), "nothing notices"
    scenario = re.fullmatch(r"test_invariants_hold_in_every_order\[(.*)\]", test)
    if scenario:
        assert scenario[1] in {str(each) for each in SCENARIOS}
    else:
        assert f"def {test.partition('[')[0].rpartition('::')[2]}(" in (ROOT / file).read_text()


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("a = :a", ["a = :a"]),
        ("a = :a AND b IN (:b0, :b1)", ["a = :a", "b IN (:b0, :b1)"]),
        ("attribute_not_exists(a) OR b < :now", ["attribute_not_exists(a) OR b < :now"]),
        ("a = :a OR (b = :b AND c = :c)", ["b = :b", "c = :c", "a = :a OR (b = :b AND c = :c)"]),
        ("(a = :a OR b = :b) AND c = :c", ["a = :a OR b = :b", "c = :c"]),
    ],
)
def test_what_can_be_weakened_alone(condition: str, expected: list[str]):
    assert clauses(condition) == expected


def test_a_weakened_clause_always_holds_and_the_others_stay():
    assert weakened("a = :a AND b = :b", "b = :b") == "a = :a AND (b = :b OR NOT b = :b)"
    assert weakened("a = :a", "a = :a") == "a = :a OR NOT a = :a"
    assert weakened("a = :a OR b < :b", "a = :a OR b < :b") == "a = :a OR b < :b OR NOT (a = :a OR b < :b)"
    assert weakened("a = :a", "b = :b") == "a = :a"
    assert general("#s IN (:was_0, :was_1)") == "#s IN (:was)"

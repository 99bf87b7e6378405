"""Each condition of a write to DynamoDB has a test that fails if it is weakened, recorded by ``make condition-mutation``."""

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from local.campaigns.condition_mutation import KNOWN, mutate
from local.campaigns.conditions import (
    LAYER,
    WRITES,
    Clause,
    Site,
    clauses,
    clauses_outside_python,
    general,
    sites,
    weakened,
)
from model.settings import ROOT
from setpieces import aws, dynamodb
from tests import conditions
from tests.interleavings.invariants import SCENARIOS

ROWS = [Clause(**row) for row in json.loads(KNOWN.read_text())]


def test_every_condition_is_listed():
    listed = {(row.file, row.function) for row in ROWS}
    assert {(site.file, site.function) for site in sites()} == listed, "make condition-mutation"


def test_every_clause_outside_of_python_is_listed():
    """The clauses in Python are compared in each race and unit test that sends them (tests/conditions.py)."""
    listed = {(row.file, row.function, row.text) for row in ROWS if not row.file.endswith(".py")}
    assert {(each.file, each.function, each.text) for each in clauses_outside_python()} == listed


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.file} {row.function} {row.text}")
def test_every_clause_has_a_test_that_fails_without_it(row: Clause):
    file, _, test = row.detected_by.partition("::")
    assert (ROOT / file).is_file(), "no test detects it"
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
def test_a_condition_is_split_into_clauses(condition: str, expected: list[str]):
    assert clauses(condition) == expected


def test_a_weakened_clause_always_holds_and_the_others_stay():
    assert weakened("a = :a AND b = :b", "b = :b") == "a = :a AND (b = :b OR NOT b = :b)"
    assert weakened("a = :a", "a = :a") == "a = :a OR NOT a = :a"
    assert weakened("a = :a OR b < :b", "a = :a OR b < :b") == "a = :a OR b < :b OR NOT (a = :a OR b < :b)"
    assert weakened("a = :a", "b = :b") == "a = :a"
    assert general("#s IN (:was_0, :was_1)") == "#s IN (:was)"


# --- conditions that callers of setpieces.dynamodb write ---

REPOSITORY = "functions/orders/orders/repository/orders.py"
SOURCE = """
from setpieces import dynamodb
from setpieces.dynamodb import delete_if as remove

TABLE, KEY = "orders", {"id": "1"}


def create():
    dynamodb.put_if(TABLE, KEY, "attribute_not_exists(id)")


def close(statuses):
    dynamodb.update_if(
        TABLE,
        KEY,
        set={"status": "CLOSED"},
        condition="#status IN (:statuses) AND "
        "version = :version",
        values={":statuses": statuses, ":version": 7},
    )


def drop():
    remove(TABLE, KEY, condition="version = :version", values={":version": 7})


def place():
    keys = [dynamodb.check(TABLE, {"id": name}, "attribute_exists(id)") for name in "ab"]
    dynamodb.transact([_new(), *keys])


def _new():
    return dynamodb.put(TABLE, KEY, "attribute_not_exists(id)")


def touch():
    dynamodb.update_if(TABLE, KEY, set={"at": 1})
"""
CALLS = ("create()", "close(['OPEN', 'HELD'])", "drop()", "place()", "touch()")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """The root of a repository in which one file writes conditions."""
    (tmp_path / REPOSITORY).parent.mkdir(parents=True)
    (tmp_path / REPOSITORY).write_text(SOURCE)
    (tmp_path / LAYER).parent.mkdir(parents=True)
    (tmp_path / LAYER).write_text((ROOT / LAYER).read_text())
    return tmp_path


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Requests sent to DynamoDB."""
    recorded: list[dict[str, Any]] = []

    def respond(**request: Any) -> dict[str, Any]:
        recorded.extend(each for item in request.get("TransactItems", [{"": request}]) for each in item.values())
        return {"Attributes": {}}

    client = SimpleNamespace(put_item=respond, update_item=respond, delete_item=respond, transact_write_items=respond)
    monkeypatch.setattr(aws, "client", lambda service: client)
    return recorded


def run(root: Path, call: str) -> None:
    exec(compile(f"{(root / REPOSITORY).read_text()}\n{call}", f"{ROOT}/{REPOSITORY}", "exec"), {})


def test_a_condition_belongs_to_the_function_that_calls_the_layer(repository: Path):
    assert sites(repository) == {Site(REPOSITORY, name) for name in ("create", "close", "drop", "place", "_new")}


def test_every_layer_function_with_a_condition_is_listed():
    takes = {name for name, each in vars(dynamodb).items() if getattr(each, "__module__", "") == dynamodb.__name__}
    assert {name for name in takes if "condition" in getattr(dynamodb, name).__annotations__} == WRITES | {
        "query",
        "count",
    }


@pytest.mark.parametrize(
    ("call", "function", "clause", "after"),
    [
        (CALLS[0], "create", "attribute_not_exists(id)", ["attribute_not_exists(id) OR NOT attribute_not_exists(id)"]),
        (
            CALLS[1],
            "close",
            "#status IN (:statuses)",
            ["(#status IN (:statuses0, :statuses1) OR NOT #status IN (:statuses0, :statuses1)) AND version = :version"],
        ),
        (
            CALLS[1],
            "close",
            "version = :version",
            ["#status IN (:statuses0, :statuses1) AND (version = :version OR NOT version = :version)"],
        ),
        (CALLS[2], "drop", "version = :version", ["version = :version OR NOT version = :version"]),
        (
            CALLS[3],
            "place",
            "attribute_exists(id)",
            ["attribute_not_exists(id)", *["attribute_exists(id) OR NOT attribute_exists(id)"] * 2],
        ),
        (
            CALLS[3],
            "_new",
            "attribute_not_exists(id)",
            ["attribute_not_exists(id) OR NOT attribute_not_exists(id)", *["attribute_exists(id)"] * 2],
        ),
    ],
)
def test_a_weakened_condition_is_sent(repository: Path, requests, call, function, clause, after):
    mutate(repository, Clause(REPOSITORY, function, clause))
    run(repository, call)
    assert [request["ConditionExpression"] for request in requests] == after


def test_a_clause_is_recorded_with_the_function_that_calls_the_layer(repository: Path, requests, monkeypatch):
    functions = [site.function for site in sites(repository)]
    monkeypatch.setattr(conditions, "_functions", lambda: {REPOSITORY: functions})
    recorded = conditions.record_clauses(monkeypatch)
    for call in CALLS:
        run(repository, call)
    assert recorded == {
        (REPOSITORY, "create", "attribute_not_exists(id)"),
        (REPOSITORY, "close", "#status IN (:statuses)"),
        (REPOSITORY, "close", "version = :version"),
        (REPOSITORY, "drop", "version = :version"),
        (REPOSITORY, "place", "attribute_exists(id)"),
        (REPOSITORY, "_new", "attribute_not_exists(id)"),
    }

"""The conditions of writes that tests send to DynamoDB: each clause has to be in ``tests/interleavings/conditions.json``.

With SETPIECES_CONDITIONS, a file, they are noted there and not compared, for ``make condition-mutation``, which makes the list.
"""

import json
import os
import sys
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from botocore.client import BaseClient

from local.condition_mutation import CONDITION, KNOWN, NOTES, built_apart, clauses, general, sites
from local.settings import ROOT

Key = tuple[str, str, str]


@pytest.fixture(autouse=True)
def listed_conditions(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, quick_dynamodb: None
) -> Iterator[None]:
    """A test fails if it sends a clause that is not listed."""
    sent: set[Key] = set()
    call = BaseClient._make_api_call

    def noting(client: Any, operation: str, parameters: dict[str, Any]) -> Any:
        sent.update(_conditions(parameters))
        return call(client, operation, parameters)

    monkeypatch.setattr(BaseClient, "_make_api_call", noting)
    yield
    if NOTES in os.environ:
        with open(os.environ[NOTES], "a") as notes:
            notes.write("".join(json.dumps([*key, request.node.nodeid]) + "\n" for key in sorted(sent)))
        return
    new = {key for key in sent if key[0]} - _listed()
    if new:
        pytest.fail(f"not in {KNOWN.relative_to(ROOT)}, which make condition-mutation writes: {sorted(new)}")


def _conditions(parameters: dict[str, Any]) -> Iterator[Key]:
    """(file, function, clause) of what is sent; without a file if no function wrote it."""
    if CONDITION in parameters:
        place = _place()
        for clause in _clauses(parameters[CONDITION]):
            yield (*place, clause)
    for item in parameters.get("TransactItems", ()):
        for write in item.values():
            yield from _conditions(write)


@cache
def _clauses(condition: str) -> tuple[str, ...]:
    return tuple(general(clause) for clause in clauses(condition))


def _place() -> tuple[str, str]:
    """(file, function) that wrote the condition which is being sent."""
    file, frame = "", sys._getframe(1)
    while frame:
        here = frame.f_code.co_filename.removeprefix(f"{ROOT}/")
        functions = _functions().get(here, ())
        if file and here != file:
            break
        if frame.f_code.co_name in functions:
            return here, frame.f_code.co_name
        file = file or (here if functions else "")
        frame = frame.f_back  # type: ignore[assignment]
    # Written by one function and sent by another.
    return file, (_built_apart(file) or _functions()[file])[0] if file else ""


_built_apart = cache(built_apart)


@cache
def _functions() -> dict[str, list[str]]:
    """The functions of a file that write conditions."""
    found: dict[str, list[str]] = defaultdict(list)
    for site in sorted(sites()):
        if site.file.endswith(".py"):
            found[site.file].append(site.function)
    return dict(found)


@cache
def _listed() -> set[Key]:
    return {(row["file"], row["function"], row["text"]) for row in json.loads(KNOWN.read_text())}

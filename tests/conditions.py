"""Compares the conditions of writes that tests send to DynamoDB with ``tests/interleavings/conditions.json``.

A condition that ``setpieces.dynamodb`` sends belongs to the function that calls it.

``make condition-mutation``, which writes the list, sets SETPIECES_CONDITIONS to a file: then the clauses are recorded there
instead.
"""

import json
import os
import sys
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from itertools import dropwhile, takewhile
from typing import Any

import pytest
from botocore.client import BaseClient

from local.campaigns.condition_mutation import KNOWN, NOTES
from local.campaigns.conditions import CONDITION, LAYER, clauses, general, request_builders, sites
from model.settings import ROOT
from setpieces import dynamodb

Key = tuple[str, str, str]
Frame = tuple[str, str]


@pytest.fixture(autouse=True)
def listed_conditions(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, quick_dynamodb: None
) -> Iterator[None]:
    """Fail a test that sends an unlisted clause."""
    clauses = record_clauses(monkeypatch)
    yield
    if NOTES in os.environ:
        with open(os.environ[NOTES], "a") as notes:
            notes.write("".join(json.dumps([*key, request.node.nodeid]) + "\n" for key in sorted(clauses)))
        return
    new = {key for key in clauses if key[0]} - _listed()
    if new:
        pytest.fail(f"not in {KNOWN.relative_to(ROOT)}, which make condition-mutation writes: {sorted(new)}")


def record_clauses(monkeypatch: pytest.MonkeyPatch) -> set[Key]:
    """The set of (file, function, clause), filled from now on. The file is "" if no function of the repository wrote it."""
    clauses: set[Key] = set()
    call, build = vars(BaseClient)["_make_api_call"], dynamodb._Expressions.conditional

    def recording_call(client: Any, operation: str, parameters: dict[str, Any]) -> Any:
        conditions = [*_conditions(parameters)]
        frames = _frames() if conditions else []
        if LAYER not in (file for file, _ in frames):
            clauses.update((*_place(frames), clause) for clause in conditions)
        return call(client, operation, parameters)

    def recording_write(expressions: Any, **members: Any) -> dict[str, Any]:
        write = build(expressions, **members)
        conditions = [*_conditions(write)]
        frames = [frame for frame in _frames() if frame[0] != LAYER] if conditions else []
        clauses.update((*_caller(frames), clause) for clause in conditions)
        return write

    monkeypatch.setattr(BaseClient, "_make_api_call", recording_call)
    # A member of a transaction may be sent by another function than the one that builds it.
    monkeypatch.setattr(dynamodb._Expressions, "conditional", recording_write)
    return clauses


def _conditions(parameters: dict[str, Any]) -> Iterator[str]:
    """The clauses of a request."""
    if CONDITION in parameters:
        yield from _clauses(parameters[CONDITION])
    for item in parameters.get("TransactItems", ()):
        for write in item.values():
            yield from _conditions(write)


@cache
def _clauses(condition: str) -> tuple[str, ...]:
    return tuple(general(clause) for clause in clauses(condition))


def _frames() -> list[Frame]:
    """(file, function) of the repository's functions on the call stack, innermost first."""
    frames, frame = [], sys._getframe(1)
    while frame:
        file = frame.f_code.co_filename.removeprefix(f"{ROOT}/")
        if file.startswith("functions/"):
            frames.append((file, frame.f_code.co_name))
        frame = frame.f_back  # type: ignore[assignment]
    return frames


def _caller(frames: list[Frame]) -> Frame:
    """The function that calls ``setpieces.dynamodb``: the one around a comprehension. Without a file for a test."""
    if not frames:
        return "", ""
    file = frames[0][0]
    within = takewhile(lambda frame: frame[0] == file, frames)
    return next((frame for frame in within if frame[1] in _functions().get(file, ())), frames[0])


def _place(frames: list[Frame]) -> Frame:
    """The function that wrote the condition of a request which is being sent; without a file if no function did."""
    inner = list(dropwhile(lambda frame: frame[0] not in _functions(), frames))
    if not inner:
        return "", ""
    caller = _caller(inner)
    file = caller[0]
    if caller[1] in _functions()[file]:
        return caller
    # Written by one function and sent by another.
    return file, (_request_builders(file) or _functions()[file])[0]


_request_builders = cache(request_builders)


@cache
def _functions() -> dict[str, list[str]]:
    """The functions of a file that write conditions."""
    functions: dict[str, list[str]] = defaultdict(list)
    for site in sorted(sites()):
        if site.file.endswith(".py"):
            functions[site.file].append(site.function)
    return dict(functions)


@cache
def _listed() -> set[Key]:
    return {(row["file"], row["function"], row["text"]) for row in json.loads(KNOWN.read_text())}

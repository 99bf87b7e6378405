"""The conditions of writes that tests send to DynamoDB: each clause has to be in ``tests/interleavings/conditions.json``.

A condition that ``setpieces.dynamodb`` sends is that of the function that calls it.

With SETPIECES_CONDITIONS, a file, they are noted there and not compared, for ``make condition-mutation``, which makes the list.
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

from local.campaigns.condition_mutation import CONDITION, KNOWN, LAYER, NOTES, built_apart, clauses, general, sites
from model.settings import ROOT
from setpieces import dynamodb

Key = tuple[str, str, str]
Frame = tuple[str, str]


@pytest.fixture(autouse=True)
def listed_conditions(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, quick_dynamodb: None
) -> Iterator[None]:
    """A test fails if it sends a clause that is not listed."""
    sent = note_clauses(monkeypatch)
    yield
    if NOTES in os.environ:
        with open(os.environ[NOTES], "a") as notes:
            notes.write("".join(json.dumps([*key, request.node.nodeid]) + "\n" for key in sorted(sent)))
        return
    new = {key for key in sent if key[0]} - _listed()
    if new:
        pytest.fail(f"not in {KNOWN.relative_to(ROOT)}, which make condition-mutation writes: {sorted(new)}")


def note_clauses(monkeypatch: pytest.MonkeyPatch) -> set[Key]:
    """(file, function, clause) of what is sent from now on; without a file if no function of the repository wrote it."""
    sent: set[Key] = set()
    call, build = vars(BaseClient)["_make_api_call"], dynamodb._Expressions.conditional

    def noting_call(client: Any, operation: str, parameters: dict[str, Any]) -> Any:
        found = [*_conditions(parameters)]
        frames = _frames() if found else []
        if LAYER not in (file for file, _ in frames):
            sent.update((*_place(frames), clause) for clause in found)
        return call(client, operation, parameters)

    def noting_write(expressions: Any, **members: Any) -> dict[str, Any]:
        write = build(expressions, **members)
        found = [*_conditions(write)]
        frames = [frame for frame in _frames() if frame[0] != LAYER] if found else []
        sent.update((*_caller(frames), clause) for clause in found)
        return write

    monkeypatch.setattr(BaseClient, "_make_api_call", noting_call)
    # A member of a transaction may be sent by another function than the one that builds it.
    monkeypatch.setattr(dynamodb._Expressions, "conditional", noting_write)
    return sent


def _conditions(parameters: dict[str, Any]) -> Iterator[str]:
    """The clauses of what is sent."""
    if CONDITION in parameters:
        yield from _clauses(parameters[CONDITION])
    for item in parameters.get("TransactItems", ()):
        for write in item.values():
            yield from _conditions(write)


@cache
def _clauses(condition: str) -> tuple[str, ...]:
    return tuple(general(clause) for clause in clauses(condition))


def _frames() -> list[Frame]:
    """(file, function) of the calls of the repository's functions that are under way, innermost first."""
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
    return file, (_built_apart(file) or _functions()[file])[0]


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

"""Finds the conditions of writes to DynamoDB in the sources, splits them into clauses, and weakens a clause.

In Python a condition is an argument of ``setpieces.dynamodb`` or a member of a request, found in the syntax tree. In API
documents and state machines it is found in the text.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from model.settings import ROOT

CONDITION = "ConditionExpression"
# Its functions send the conditions of their callers.
LAYER = "functions/common/setpieces/dynamodb.py"
WRITES = frozenset({"put_if", "update_if", "delete_if", "put", "update", "delete", "check"})
IN_TEXT = re.compile(rf'("{CONDITION}": ")([^"]+)(")')
_WORD = re.compile(r"\bAND\b|\bOR\b|[()]")


@dataclass(frozen=True, order=True)
class Site:
    """The place of a condition: ``function`` is the innermost function around it; outside of Python, ``number <n>``."""

    file: str
    function: str


@dataclass(frozen=True, order=True)
class Clause:
    """A clause of a condition, with placeholders without numbers, and a test that fails if the clause is weakened."""

    file: str
    function: str
    text: str
    detected_by: str = ""


def clauses(condition: str) -> list[str]:
    """The clauses of a condition that can be weakened alone: the operands of AND at any depth, else the whole condition."""
    condition = condition.strip()
    if condition.startswith("(") and _closing(condition, 0) == len(condition) - 1:
        return clauses(condition[1:-1])
    alternatives = _split(condition, "OR")
    if len(alternatives) > 1:
        inner = [clause for each in alternatives if len(clauses(each)) > 1 for clause in clauses(each)]
        return [*inner, condition]
    parts = _split(condition, "AND")
    return [clause for part in parts for clause in clauses(part)] if len(parts) > 1 else [condition]


def general(clause: str) -> str:
    """The clause without numbers and repetitions of placeholders: ``#s IN (:was)`` for ``#s IN (:was0, :was1)``."""
    text = re.sub(r"(?<=[a-z_])_?\d+\b", "", " ".join(clause.split()))
    return re.sub(r"(:\w+)(?:, \1\b)+", r"\1", text)


def weakened(condition: str, clause: str) -> str:
    """The condition with ``clause`` replaced by one that always holds; unchanged if it lacks the clause."""
    for each in clauses(condition):
        if general(each) == clause:
            opposite = f"NOT ({each})" if len(_split(each, "OR")) + len(_split(each, "AND")) > 2 else f"NOT {each}"
            always = f"{each} OR {opposite}"
            return always if each == condition.strip() else condition.replace(each, f"({always})", 1)
    return condition


def _split(text: str, word: str) -> list[str]:
    """Split ``text`` at each ``word`` outside of parentheses."""
    parts, depth, start = [], 0, 0
    for match in _WORD.finditer(text):
        depth += {"(": 1, ")": -1}.get(match[0], 0)
        if match[0] == word and not depth:
            parts.append(text[start : match.start()].strip())
            start = match.end()
    return [*parts, text[start:].strip()]


def _closing(text: str, opening: int) -> int:
    depth = 0
    for position in range(opening, len(text)):
        depth += {"(": 1, ")": -1}.get(text[position], 0)
        if not depth:
            return position
    return -1


def sites(root: Path = ROOT) -> set[Site]:
    """The places of all conditions."""
    python = {Site(str(path.relative_to(root)), function) for path, function, _ in _in_python(root)}
    return python | {Site(clause.file, clause.function) for clause in clauses_outside_python(root)}


def clauses_outside_python(root: Path = ROOT) -> set[Clause]:
    """The clauses of conditions in API documents, state machines and templates."""
    return {
        Clause(str(path.relative_to(root)), f"number {number}", general(clause))
        for path in _other_files(root)
        for number, match in enumerate(IN_TEXT.finditer(path.read_text()), start=1)
        for clause in clauses(match[2])
    }


def _other_files(root: Path) -> list[Path]:
    folders = (("schemas", "*.yaml"), ("statemachines", "*.json"), ("templates", "*.yaml"))
    return [path for folder, pattern in folders for path in sorted((root / folder).rglob(pattern))]


def _in_python(root: Path) -> Iterator[tuple[Path, str, ast.expr]]:
    """(file, function, expression) of each condition that Python builds."""
    for path in sorted((root / "functions").rglob("*.py")):
        text = path.read_text()
        if (CONDITION in text or "dynamodb" in text) and path != root / LAYER:
            yield from ((path, function, value) for function, value in conditions_in(ast.parse(text)))


def conditions_in(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """(function, expression) of each condition in a module."""
    return _conditions_below(tree, "", set(_writes(tree)))


def _writes(tree: ast.Module) -> Iterator[str]:
    """The names in a module of the functions of ``setpieces.dynamodb`` that accept a condition."""
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module="setpieces", names=names):
                modules = [alias.asname or alias.name for alias in names if alias.name == "dynamodb"]
                yield from (f"{module}.{write}" for module in modules for write in WRITES)
            case ast.ImportFrom(module="setpieces.dynamodb", names=names):
                yield from (alias.asname or alias.name for alias in names if alias.name in WRITES)


def _conditions_below(node: ast.AST, function: str, writes: set[str]) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(node, ast.FunctionDef):
        function = node.name
    match node:
        case ast.Call(func=called, args=arguments, keywords=keywords) if ast.unparse(called) in writes:
            # (table, item or key, condition): the condition of an update is a keyword.
            values = [*arguments[2:3], *(keyword.value for keyword in keywords if keyword.arg == "condition")]
            yield from ((function, value) for value in values)
        case ast.Dict():
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == CONDITION:
                    yield function, value
        case ast.keyword(arg="ConditionExpression"):
            yield function, node.value
        case ast.Assign(targets=[ast.Subscript(slice=ast.Constant(value="ConditionExpression"))]):
            yield function, node.value
    for child in ast.iter_child_nodes(node):
        yield from _conditions_below(child, function, writes)


def request_builders(file: str) -> list[str]:
    """The functions of a file that build a request with a condition, which another function sends."""
    tree, builders = ast.parse((ROOT / file).read_text()), set()
    conditions = list(conditions_in(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            builders |= {
                node.name for function, value in conditions if function == node.name and value in _in_dicts(node)
            }
    return sorted(builders)


def _in_dicts(node: ast.AST) -> list[ast.expr]:
    return [value for each in ast.walk(node) if isinstance(each, ast.Dict) for value in each.values]

"""Operators of Velocity 1.7, by precedence."""

from __future__ import annotations

from collections.abc import Iterable

from apigw_executor.vtl import values
from apigw_executor.vtl.scope import TemplateFault, Value

# Loosest first (https://velocity.apache.org/engine/1.7/user-guide.html, the grammar's order of productions).
_LEVELS: tuple[frozenset[str], ...] = (
    frozenset({"||", "or"}),
    frozenset({"&&", "and"}),
    frozenset({"==", "!=", "eq", "ne"}),
    frozenset({"<", "<=", ">", ">=", "lt", "le", "gt", "ge"}),
    frozenset({"+", "-"}),
    frozenset({"*", "/", "%"}),
)
_SYMBOLS = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "or": "||", "and": "&&"}


def tree(operands: list[Value], operators: list[str], level: int = 0) -> Value:
    """The value of operands with an operator between each two; a `level` is an index of _LEVELS. Raises TemplateFault."""
    if not operators:
        return operands[0]
    while level < len(_LEVELS) and not any(operator in _LEVELS[level] for operator in operators):
        level += 1
    if level == len(_LEVELS):
        raise TemplateFault(f"unknown operator in {operators}")
    # All operators of a level associate to the left: split at each of them and fold.
    groups: list[Value] = []
    joins: list[str] = []
    start = 0
    for position, operator in enumerate([*operators, None]):
        if operator is None or operator in _LEVELS[level]:
            groups.append(tree(operands[start : position + 1], operators[start:position], level + 1))
            start = position + 1
            if operator is not None:
                joins.append(_SYMBOLS.get(operator, operator))
    return _fold(groups, joins)


def _fold(groups: Iterable[Value], joins: Iterable[str]) -> Value:
    remaining = iter(groups)
    result = next(remaining)
    for operator, right in zip(joins, remaining, strict=True):
        result = _binary(operator, result, right)
    return result


def _binary(operator: str, left: Value, right: Value) -> Value:
    if operator == "&&":
        return lambda scope: values.true(left(scope)) and values.true(right(scope))
    if operator == "||":
        return lambda scope: values.true(left(scope)) or values.true(right(scope))
    if operator == "==":
        return lambda scope: values.equal(left(scope), right(scope))
    if operator == "!=":
        return lambda scope: not values.equal(left(scope), right(scope))
    if operator in ("<", "<=", ">", ">="):
        return lambda scope: values.compare(operator, left(scope), right(scope))
    return lambda scope: values.arithmetic(operator, left(scope), right(scope))

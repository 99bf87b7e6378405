"""What has a value: literals, references, expressions. Each function compiles a node of one type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from airspeed import operators as syntax

from apigw_executor.vtl import methods, values
from apigw_executor.vtl.nodes import block, value
from apigw_executor.vtl.operators import tree
from apigw_executor.vtl.scope import Definition, Scope, TemplateFault, Value


def _wrapped(node: Any) -> Value:
    return value(node.expression)


def _expression(node: Any) -> Value:
    operands = [value(item) for item in node.expression[::2]]
    operators = [item.my_text().strip() for item in node.expression[1::2]]
    return tree(operands, operators)


def _parenthesized(node: Any) -> Value:
    # The library keeps only the bound method of the inner expression.
    return _expression(node.calculate.__self__)


def _not(node: Any) -> Value:
    operand = value(node.value)
    return lambda scope: not values.true(operand(scope))


def _literal(node: Any) -> Value:
    return _constant(node.value)


def _string(node: Any) -> Value:
    if "$" not in node.value and "#" not in node.value:
        return _constant(node.value)
    body = block(node.block)
    return lambda scope: scope.captured(body)


def _map(node: Any) -> Value:
    pairs = [(value(key), value(item)) for key, item in node.local_data.items()]
    return lambda scope: {key(scope): item(scope) for key, item in pairs}


def _list(node: Any) -> Value:
    return _array(node.values)


def _constant(constant: Any) -> Value:
    return lambda scope: constant


MAX_RANGE = 1_000_000  # elements; a stop for a template that takes the end of a range from a client


def _array(node: Any) -> Value:
    if isinstance(node, syntax.Range):
        first, last = value(node.value1), value(node.value2)

        def span(scope: Scope) -> Any:
            low, high = first(scope), last(scope)
            if not (isinstance(low, int) and isinstance(high, int)):
                return None
            if abs(high - low) >= MAX_RANGE:
                raise TemplateFault(f"the range [{low}..{high}] is too long")
            return range(low, high + 1) if low <= high else range(low, high - 1, -1)

        return span
    members = [value(item) for item in getattr(node, "values", ())]
    return lambda scope: [member(scope) for member in members]


def _reference(node: Any) -> Value:
    if node.expression is None:
        return _constant(None)
    value_of = _root(node.expression)
    if node.alternate is None:
        return value_of
    alternate = value(node.alternate.expression)

    def run(scope: Scope) -> Any:
        result = value_of(scope)
        return alternate(scope) if not values.true(result) else result

    return run


def _root(node: Any) -> Value:
    name, steps = node.part.name, _steps(node, root=True)

    def run(scope: Scope) -> Any:
        result = scope.variables.get(name)
        if isinstance(result, Definition):
            result = scope.captured(result.writer)
        for step in steps:
            if result is None:
                return None
            result = step(scope, result)
        return result

    return run


_Step = Callable[[Scope, Any], Any]


def _steps(node: Any, root: bool = False) -> list[_Step]:
    """The accesses of a VariableExpression one after another, without the variable's own name if it is the root."""
    steps: list[_Step] = []
    part = node.part
    if part.parameters is not None:
        if not root:
            steps.append(_method(part.name, part.parameters))
    elif not root:
        steps.append(_property(part.name))
    if part.index is not None:
        steps.append(_index(part.index))
    following = node.subexpression
    while following is not None:
        if isinstance(following.expression, syntax.ArrayIndex):
            steps.append(_index(following.expression))
            following = following.subexpression
        else:
            steps.extend(_steps(following.expression))
            following = None
    return steps


def _property(name: str) -> _Step:
    return lambda scope, target: values.get(target, name)


def _index(node: Any) -> _Step:
    index = value(node.index)
    return lambda scope, target: values.get(target, index(scope))


def _method(name: str, parameters: Any) -> _Step:
    arguments = [value(item) for item in getattr(parameters.values, "values", ())]
    return lambda scope, target: methods.call(target, name, [argument(scope) for argument in arguments])


EXPRESSIONS: Mapping[type, Callable[[Any], Value]] = {
    syntax.Value: _wrapped,
    syntax.FormalReference: _reference,
    syntax.InterpolatedStringLiteral: _string,
    syntax.ParenthesizedExpression: _parenthesized,
    syntax.UnaryOperatorValue: _not,
    syntax.ArrayLiteral: _list,
    syntax.DictionaryLiteral: _map,
    syntax.NullLiteral: _literal,
    syntax.IntegerLiteral: _literal,
    syntax.FloatingPointLiteral: _literal,
    syntax.BooleanLiteral: _literal,
    syntax.StringLiteral: _literal,
    syntax.Expression: _expression,
}

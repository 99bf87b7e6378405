"""What writes output: text, references, directives. Each function compiles a node of one type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from airspeed import operators as syntax

from apigw_executor.vtl import values
from apigw_executor.vtl.nodes import block, template, value
from apigw_executor.vtl.scope import Break, Definition, Scope, Stop, TemplateFault, Value, Writer


def _text(node: Any) -> Writer:
    text = node.text
    return lambda scope: scope.write(text)


def _comment(node: Any) -> Writer:
    return lambda scope: None


def _printed(node: Any) -> Writer:
    if node.expression is None:
        source = node.my_text()
        return lambda scope: scope.write(source)
    value_of = value(node)

    def run(scope: Scope) -> None:
        result = value_of(scope)
        if result is not None:
            scope.write(values.to_string(result))

    return run


def _if(node: Any) -> Writer:
    branches = [(value(node.condition.expression), block(node.block))]
    branches += [(value(branch.condition.expression), block(branch.block)) for branch in node.elseifs]
    otherwise = block(node.else_block.block) if isinstance(node.else_block, syntax.ElseBlock) else None

    def run(scope: Scope) -> None:
        for condition, body in branches:
            if values.true(condition(scope)):
                body(scope)
                return
        if otherwise is not None:
            otherwise(scope)

    return run


def _set(node: Any) -> Writer:
    assignment = node.assignment
    root, terms = assignment.root_term, [_term(item.term) for item in assignment.terms]
    value_of = value(assignment.value)

    def run(scope: Scope) -> None:
        assigned = value_of(scope)
        if assigned is None:
            # Velocity 1.7: a right side of null is not assigned, the variable keeps what it had
            # (https://velocity.apache.org/engine/1.7/user-guide.html#set).
            return
        if not terms:
            scope.variables[root] = assigned
            return
        target = scope.variables.get(root)
        for term in terms[:-1]:
            target = values.get(target, term(scope))
        key = terms[-1](scope)
        if isinstance(target, dict):
            target[key] = assigned
        if isinstance(target, list) and isinstance(key, int):
            target[values.position(target, key)] = assigned

    return run


def _term(node: Any) -> Value:
    if isinstance(node, syntax.DotDictAccessTerm):
        name = node.value
        return lambda scope: name
    return value(node.value)


def _foreach(node: Any) -> Writer:
    name, value_of, body = node.loop_var_name, value(node.value), block(node.block)

    def run(scope: Scope) -> None:
        items = values.items(value_of(scope))
        if not items:
            return
        variables = scope.variables
        kept = {key: variables[key] for key in (name, "foreach", "velocityCount") if key in variables}
        parent = variables.get("foreach")
        for index, item in enumerate(items):
            variables[name] = item
            variables["velocityCount"] = index + 1
            variables["foreach"] = {
                "index": index,
                "count": index + 1,
                "hasNext": index + 1 < len(items),
                "first": index == 0,
                "last": index + 1 == len(items),
                "parent": parent,
            }
            try:
                body(scope)
            except Break:
                break
        for key in (name, "foreach", "velocityCount"):
            variables.pop(key, None)
        variables.update(kept)

    return run


def _stop(node: Any) -> Writer:
    def run(scope: Scope) -> None:
        raise Stop

    return run


def _break(node: Any) -> Writer:
    def run(scope: Scope) -> None:
        raise Break

    return run


def _define(node: Any) -> Writer:
    name, definition = node.function_name, Definition(block(node.block))

    def run(scope: Scope) -> None:
        scope.variables[name] = definition

    return run


def _macro(node: Any) -> Writer:
    name, body = node.function_name.lower(), block(node.block)
    parameters: list[str] = list(node.arg_names)

    def run(scope: Scope) -> None:
        scope.macros.setdefault(name, (parameters, body))

    return run


def _macro_call(node: Any) -> Writer:
    name, arguments, source = node.macro_name, [value(argument) for argument in node.args], node.my_text()

    def run(scope: Scope) -> None:
        if name not in scope.macros:
            scope.write(source)
            return
        parameters, body = scope.macros[name]
        if len(arguments) != len(parameters):
            raise TemplateFault(f"macro {name} takes {len(parameters)} arguments")
        scope.depth += 1
        if scope.depth > 20:
            raise TemplateFault(f"macro {name} calls itself too often")
        passed = [argument(scope) for argument in arguments]
        kept = {key: scope.variables[key] for key in parameters if key in scope.variables}
        scope.variables.update(zip(parameters, passed, strict=True))
        body(scope)
        for key in parameters:
            scope.variables.pop(key, None)
        scope.variables.update(kept)
        scope.depth -= 1

    return run


def _evaluate(node: Any) -> Writer:
    value_of = value(node.value)

    def run(scope: Scope) -> None:
        source = value_of(scope)
        if source is not None:
            template(values.to_string(source))(scope)

    return run


# Exact types: `#return` subclasses EvaluateDirective in the library and is no part of Velocity 1.7; #include and #parse have
# no files to read.
DIRECTIVES: Mapping[type, Callable[[Any], Writer]] = {
    syntax.Text: _text,
    syntax.FallthroughHashText: _text,
    syntax.Comment: _comment,
    syntax.FormalReference: _printed,
    syntax.IfDirective: _if,
    syntax.SetDirective: _set,
    syntax.ForeachDirective: _foreach,
    syntax.StopDirective: _stop,
    syntax.UserDefinedDirective: _break,
    syntax.DefineDefinition: _define,
    syntax.MacroDefinition: _macro,
    syntax.MacroCall: _macro_call,
    syntax.EvaluateDirective: _evaluate,
}

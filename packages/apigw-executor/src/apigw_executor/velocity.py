"""Velocity templates: `airspeed-ext` reads them, this module runs what was read.

The library's parser is kept and its evaluator is not, because API Gateway runs Apache Velocity 1.7 and the library
differs from it where our templates live: it evaluates both sides of `&&`, takes `#if` of null for true and `!` of
null for false, divides negative integers downwards, reaches any attribute of a Python object, and walks a map by its
keys. A template is compiled once into closures and can then be rendered from many threads.

Two results are API Gateway's own rather than Velocity's: a reference to nothing prints as nothing, not as its source
text, and an assignment may reach into `$context` (`#set($context.responseOverride.status = 404)`).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable
from typing import Any

from airspeed import operators as syntax
from airspeed.operators import TemplateSyntaxError

from apigw_executor import java


class TemplateFault(Exception):
    """The template cannot be read, or a method that it called threw."""


class PayloadTooLarge(TemplateFault):
    """The output is more than API Gateway sends on."""


class _Stop(Exception):
    """#stop: what was written so far is the output."""


class _Break(Exception):
    """#break: leaves the innermost #foreach."""


class _BreakDirective(syntax._Element):
    """`#break`, which the library's grammar lacks; registered through its own extension point."""

    START = re.compile(r"#(?:break\b|\{break\})(.*)$", re.S)

    def parse(self) -> None:
        self.identity_match(self.START)


if _BreakDirective not in syntax.UserDefinedDirective.DIRECTIVES:
    syntax.UserDefinedDirective.DIRECTIVES.append(_BreakDirective)


# Velocity 1.7 swallows the spaces and the line break after a directive, of each kind and with each kind of line break, and
# none after a block comment; a line comment goes to the end of its line; `#end` and `#else` are whole words. The library
# differs in each of these.
_LINE_BREAK = r"(?:\r\n|\n|\r)"
_REST_OF_LINE = rf"(?:[ \t]*{_LINE_BREAK})?(.*)$"
syntax.WHITESPACE_TO_END_OF_LINE = re.compile(rf"[ \t]*{_LINE_BREAK}(.*)$", re.S)
syntax.Assignment.END = re.compile(rf"\s*\){_REST_OF_LINE}", re.S)
syntax.ForeachDirective.CLOSE_PAREN = re.compile(rf"[ \t]*\){_REST_OF_LINE}", re.S)
syntax.ElseBlock.START = re.compile(rf"#(?:else(?!\w)|\{{else\}}){_REST_OF_LINE}", re.S)
syntax.End.END = re.compile(r"#(?:end(?!\w)|\{end\})(.*)$", re.S)
syntax.Comment.COMMENT = re.compile(rf"#(?:#[^\r\n]*(?:{_LINE_BREAK}|\Z)|\*.*?\*#)(.*)\Z", re.S)


MAX_OUTPUT = 10 * 1024 * 1024  # characters; API Gateway's payload limit, here a stop for a runaway loop


class _Scope:
    """The variables of one rendering, and what was written so far."""

    __slots__ = ("depth", "macros", "out", "size", "variables")

    def __init__(self, variables: dict[str, Any]) -> None:
        self.variables = variables
        self.macros: dict[str, tuple[list[str], _Writer]] = {}
        self.out: list[str] = []
        self.size = 0
        self.depth = 0

    def write(self, text: str) -> None:
        self.size += len(text)
        if self.size > MAX_OUTPUT:
            raise PayloadTooLarge("the output is larger than a payload can be")
        self.out.append(text)

    def captured(self, writer: _Writer) -> str:
        """What `writer` writes, as text instead of output."""
        kept, self.out = self.out, []
        size = self.size
        try:
            writer(self)
            return "".join(self.out)
        finally:
            self.out, self.size = kept, size


_Writer = Callable[[_Scope], None]
_Value = Callable[[_Scope], Any]


class _Definition:
    """The block of a #define: rendered anew at each reference."""

    def __init__(self, writer: _Writer) -> None:
        self.writer = writer


class Template:
    """A compiled template. `render` is safe to call from many threads at once."""

    def __init__(self, source: str) -> None:
        """TemplateFault if `source` is not Velocity."""
        try:
            parsed = syntax.Template(source)
            parsed.ensure_compiled()
            self._run = _block(parsed.root_element.block)
        except TemplateSyntaxError as error:
            raise TemplateFault(f"line {error.line}, column {error.column}: {error}") from None
        except (syntax.NoMatch, RecursionError) as error:
            raise TemplateFault(f"not a Velocity template: {error!r}") from None

    def render(self, variables: dict[str, Any]) -> str:
        """The output. `variables` is the root scope, changed by #set; TemplateFault if a method throws."""
        scope = _Scope(variables)
        try:
            self._run(scope)
        except (_Stop, _Break):
            pass
        except (java.JavaError, OverflowError, ValueError) as error:
            # The latter two are Python's: a number too large for a double, or for its own text.
            raise TemplateFault(str(error)) from None
        except RecursionError:
            raise TemplateFault("nested too deeply") from None
        return "".join(scope.out)


# --- directives: node -> writer ---


# What Velocity's parser refuses and the library passes on as text: a directive without its parts, such as `#if(`.
_BROKEN = re.compile(r"\{?(if|elseif|foreach|set|macro|define)\}?\s*\(")


def _block(node: Any) -> _Writer:
    for first, second in itertools.pairwise(node.children):
        if (
            isinstance(first, syntax.FallthroughHashText)
            and isinstance(second, syntax.Text)
            and _BROKEN.match(second.text)
        ):
            raise TemplateFault(f"a broken directive: #{second.text[:40]}")
    writers = [_writer(child) for child in _without_indents_of_set(node.children)]
    if len(writers) == 1:
        return writers[0]

    def run(scope: _Scope) -> None:
        for writer in writers:
            writer(scope)

    return run


def _without_indents_of_set(nodes: list[Any]) -> list[Any]:
    """Velocity reads the spaces before `#set` as part of it, where they do not end a text."""
    followed = zip([None, *nodes], nodes, [*nodes[1:], None], strict=False)
    return [
        node
        for before, node, after in followed
        if not (
            isinstance(after, syntax.SetDirective)
            and isinstance(node, syntax.Text)
            and not isinstance(before, syntax.Text | syntax.FallthroughHashText)
            and not node.text.strip(" \t")
        )
    ]


def _writer(node: Any) -> _Writer:
    if isinstance(node, syntax.Text | syntax.FallthroughHashText):
        text = node.text
        return lambda scope: scope.write(text)
    if isinstance(node, syntax.FormalReference):
        return _printed(node)
    if isinstance(node, syntax.Comment):
        return lambda scope: None
    for kind, compile_node in _DIRECTIVES:
        if type(node) is kind:
            return compile_node(node)
    raise TemplateFault(f"{type(node).__name__} is not available in a mapping template: {node.my_text()}")


def _printed(node: Any) -> _Writer:
    if node.expression is None:
        source = node.my_text()
        return lambda scope: scope.write(source)
    value_of = _reference(node)

    def run(scope: _Scope) -> None:
        value = value_of(scope)
        if value is not None:
            scope.write(java.text(value))

    return run


def _if(node: Any) -> _Writer:
    branches = [(_condition(node.condition), _block(node.block))]
    branches += [(_condition(branch.condition), _block(branch.block)) for branch in node.elseifs]
    otherwise = _block(node.else_block.block) if isinstance(node.else_block, syntax.ElseBlock) else None

    def run(scope: _Scope) -> None:
        for condition, body in branches:
            if java.true(condition(scope)):
                body(scope)
                return
        if otherwise is not None:
            otherwise(scope)

    return run


def _condition(node: Any) -> _Value:
    return _value(node.expression)


def _set(node: Any) -> _Writer:
    assignment = node.assignment
    root, terms = assignment.root_term, [_term(item.term) for item in assignment.terms]
    value_of = _expression(assignment.value)

    def run(scope: _Scope) -> None:
        value = value_of(scope)
        if value is None:
            # Velocity 1.7: a right side of null is not assigned, the variable keeps what it had
            # (https://velocity.apache.org/engine/1.7/user-guide.html#set).
            return
        if not terms:
            scope.variables[root] = value
            return
        target = scope.variables.get(root)
        for term in terms[:-1]:
            target = java.get(target, term(scope))
        key = terms[-1](scope)
        if isinstance(target, dict):
            target[key] = value
        if isinstance(target, list) and isinstance(key, int):
            target[java.position(target, key)] = value

    return run


def _term(node: Any) -> _Value:
    if isinstance(node, syntax.DotDictAccessTerm):
        name = node.value
        return lambda scope: name
    return _value(node.value)


def _foreach(node: Any) -> _Writer:
    name, value_of, body = node.loop_var_name, _value(node.value), _block(node.block)

    def run(scope: _Scope) -> None:
        items = java.items(value_of(scope))
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
            except _Break:
                break
        for key in (name, "foreach", "velocityCount"):
            variables.pop(key, None)
        variables.update(kept)

    return run


def _stop(node: Any) -> _Writer:
    def run(scope: _Scope) -> None:
        raise _Stop

    return run


def _user_defined(node: Any) -> _Writer:
    def run(scope: _Scope) -> None:
        raise _Break

    return run


def _define(node: Any) -> _Writer:
    name, definition = node.function_name, _Definition(_block(node.block))

    def run(scope: _Scope) -> None:
        scope.variables[name] = definition

    return run


def _macro(node: Any) -> _Writer:
    name, body = node.function_name.lower(), _block(node.block)
    parameters: list[str] = list(node.arg_names)

    def run(scope: _Scope) -> None:
        scope.macros.setdefault(name, (parameters, body))

    return run


def _macro_call(node: Any) -> _Writer:
    name, arguments, source = node.macro_name, [_value(argument) for argument in node.args], node.my_text()

    def run(scope: _Scope) -> None:
        if name not in scope.macros:
            scope.write(source)
            return
        parameters, body = scope.macros[name]
        if len(arguments) != len(parameters):
            raise TemplateFault(f"macro {name} takes {len(parameters)} arguments")
        scope.depth += 1
        if scope.depth > 20:
            raise TemplateFault(f"macro {name} calls itself too often")
        values = [argument(scope) for argument in arguments]
        kept = {key: scope.variables[key] for key in parameters if key in scope.variables}
        scope.variables.update(zip(parameters, values, strict=True))
        body(scope)
        for key in parameters:
            scope.variables.pop(key, None)
        scope.variables.update(kept)
        scope.depth -= 1

    return run


def _evaluate(node: Any) -> _Writer:
    value_of = _value(node.value)

    def run(scope: _Scope) -> None:
        value = value_of(scope)
        if value is not None:
            Template(java.text(value))._run(scope)

    return run


# `#return` subclasses EvaluateDirective in the library and is no part of Velocity 1.7; #include and #parse have no
# files to read.
_DIRECTIVES: list[tuple[type, Callable[[Any], _Writer]]] = [
    (syntax.IfDirective, _if),
    (syntax.SetDirective, _set),
    (syntax.ForeachDirective, _foreach),
    (syntax.StopDirective, _stop),
    (syntax.UserDefinedDirective, _user_defined),
    (syntax.DefineDefinition, _define),
    (syntax.MacroDefinition, _macro),
    (syntax.MacroCall, _macro_call),
    (syntax.EvaluateDirective, _evaluate),
]


# --- values: node -> value ---


def _value(node: Any) -> _Value:
    if isinstance(node, syntax.Value):
        return _value(node.expression)
    if isinstance(node, syntax.FormalReference):
        return _reference(node)
    if isinstance(node, syntax.InterpolatedStringLiteral):
        if "$" not in node.value and "#" not in node.value:
            return _constant(node.value)
        block = _block(node.block)
        return lambda scope: scope.captured(block)
    if isinstance(node, syntax.ParenthesizedExpression):
        # The library keeps only the bound method of the inner expression.
        return _expression(node.calculate.__self__)
    if isinstance(node, syntax.UnaryOperatorValue):
        operand = _value(node.value)
        return lambda scope: not java.true(operand(scope))
    if isinstance(node, syntax.ArrayLiteral):
        return _array(node.values)
    if isinstance(node, syntax.DictionaryLiteral):
        pairs = [(_value(key), _value(item)) for key, item in node.local_data.items()]
        return lambda scope: {key(scope): item(scope) for key, item in pairs}
    if isinstance(
        node,
        syntax.NullLiteral
        | syntax.IntegerLiteral
        | syntax.FloatingPointLiteral
        | syntax.BooleanLiteral
        | syntax.StringLiteral,
    ):
        return _constant(node.value)
    if isinstance(node, syntax.Expression):
        return _expression(node)
    raise TemplateFault(f"{type(node).__name__} is not a value: {node.my_text()}")


def _constant(value: Any) -> _Value:
    return lambda scope: value


MAX_RANGE = 1_000_000  # elements; a stop for a template that takes the end of a range from a client


def _array(node: Any) -> _Value:
    if isinstance(node, syntax.Range):
        first, last = _value(node.value1), _value(node.value2)

        def span(scope: _Scope) -> Any:
            low, high = first(scope), last(scope)
            if not (isinstance(low, int) and isinstance(high, int)):
                return None
            if abs(high - low) >= MAX_RANGE:
                raise TemplateFault(f"the range [{low}..{high}] is too long")
            return range(low, high + 1) if low <= high else range(low, high - 1, -1)

        return span
    members = [_value(item) for item in getattr(node, "values", ())]
    return lambda scope: [member(scope) for member in members]


def _reference(node: Any) -> _Value:
    if node.expression is None:
        return _constant(None)
    value_of = _root(node.expression)
    if node.alternate is None:
        return value_of
    alternate = _value(node.alternate.expression)

    def run(scope: _Scope) -> Any:
        value = value_of(scope)
        return alternate(scope) if not java.true(value) else value

    return run


def _root(node: Any) -> _Value:
    name, steps = node.part.name, _steps(node, root=True)

    def run(scope: _Scope) -> Any:
        value = scope.variables.get(name)
        if isinstance(value, _Definition):
            value = scope.captured(value.writer)
        for step in steps:
            if value is None:
                return None
            value = step(scope, value)
        return value

    return run


_Step = Callable[[_Scope, Any], Any]


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
    return lambda scope, value: java.get(value, name)


def _index(node: Any) -> _Step:
    index = _value(node.index)
    return lambda scope, value: java.get(value, index(scope))


def _method(name: str, parameters: Any) -> _Step:
    arguments = [_value(item) for item in getattr(parameters.values, "values", ())]
    return lambda scope, value: java.call(value, name, [argument(scope) for argument in arguments])


# --- expressions ---

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


def _expression(node: Any) -> _Value:
    operands = [_value(item) for item in node.expression[::2]]
    operators = [item.my_text().strip() for item in node.expression[1::2]]
    return _tree(operands, operators, 0)


def _tree(operands: list[_Value], operators: list[str], level: int) -> _Value:
    if not operators:
        return operands[0]
    while level < len(_LEVELS) and not any(operator in _LEVELS[level] for operator in operators):
        level += 1
    if level == len(_LEVELS):
        raise TemplateFault(f"unknown operator in {operators}")
    # All operators of a level associate to the left: split at each of them and fold.
    groups: list[_Value] = []
    joins: list[str] = []
    start = 0
    for position, operator in enumerate([*operators, None]):
        if operator is None or operator in _LEVELS[level]:
            groups.append(_tree(operands[start : position + 1], operators[start:position], level + 1))
            start = position + 1
            if operator is not None:
                joins.append(_SYMBOLS.get(operator, operator))
    return _fold(groups, joins)


def _fold(groups: Iterable[_Value], joins: Iterable[str]) -> _Value:
    remaining = iter(groups)
    result = next(remaining)
    for operator, right in zip(joins, remaining, strict=True):
        result = _binary(operator, result, right)
    return result


def _binary(operator: str, left: _Value, right: _Value) -> _Value:
    if operator == "&&":
        return lambda scope: java.true(left(scope)) and java.true(right(scope))
    if operator == "||":
        return lambda scope: java.true(left(scope)) or java.true(right(scope))
    if operator == "==":
        return lambda scope: java.equal(left(scope), right(scope))
    if operator == "!=":
        return lambda scope: not java.equal(left(scope), right(scope))
    if operator in ("<", "<=", ">", ">="):
        return lambda scope: java.compare(operator, left(scope), right(scope))
    return lambda scope: java.arithmetic(operator, left(scope), right(scope))

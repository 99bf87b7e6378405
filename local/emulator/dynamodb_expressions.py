"""DynamoDB's expression grammars, and the errors in expressions that AWS finds before it reads an item.

The emulator evaluates an expression until the first error. AWS parses the whole expression first, regardless of the item and of
its condition.

Sources, below https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/: Expressions.UpdateExpressions.html,
Expressions.OperatorsAndFunctions.html, Query.KeyConditionExpressions.html, Expressions.Attributes.html, ReservedWords.html.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import Any

import pyparsing as pp
from ministack.services.dynamodb import AWS_KEYWORDS

NAMES, VALUES = "ExpressionAttributeNames", "ExpressionAttributeValues"
MORE_THAN_ONE_TYPE = (
    "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes"
)
# The types of an operand that is a value of the request, by (operator, position).
NUMBER, SETS, TEXT = {"N"}, {"SS", "NS", "BS"}, {"S", "B"}
ORDERED = {"N", "S", "B"}
OPERANDS: dict[tuple[str, int], set[str]] = {
    ("ADD", 1): NUMBER | SETS,
    ("DELETE", 1): SETS,
    ("+", 0): NUMBER,
    ("+", 1): NUMBER,
    ("-", 0): NUMBER,
    ("-", 1): NUMBER,
    ("list_append", 0): {"L"},
    ("list_append", 1): {"L"},
    ("begins_with", 0): TEXT,
    ("begins_with", 1): TEXT,
    ("attribute_type", 1): {"S"},
    **{(operator, position): ORDERED for operator in ("<", "<=", ">", ">=") for position in (0, 1)},
    **{("BETWEEN", position): ORDERED for position in (0, 1, 2)},
}


@dataclass(frozen=True)
class Path:
    """A document path: names, not resolved, and list indexes."""

    parts: tuple[str | int, ...]


@dataclass(frozen=True)
class Value:
    """A reference to a value of the request."""

    name: str


@dataclass(frozen=True)
class Node:
    """An operator, function or clause, and its operands."""

    kind: str
    operands: tuple[Any, ...]


def _node(kind: str) -> Callable[[Any], list[Node]]:
    return lambda tokens: [Node(kind, tuple(tokens))]


def _binary(tokens: Any) -> list[Any]:
    """``a op b`` as a node of the operator; a single operand unchanged."""
    return [Node(tokens[1], (tokens[0], tokens[2]))] if len(tokens) == 3 else list(tokens)


def _call(name: str, *arguments: Any) -> pp.ParserElement:
    inner = arguments[0]
    for argument in arguments[1:]:
        inner = inner + pp.Suppress(",") + argument
    call = pp.Suppress(pp.Keyword(name)) + pp.Suppress("(") + inner + pp.Suppress(")")
    return call.set_parse_action(_node(name))


def _word(text: str) -> pp.ParserElement:
    return pp.CaselessKeyword(text).suppress()


def _list(element: pp.ParserElement) -> pp.ParserElement:
    return pp.DelimitedList(element)


_NAME = pp.Regex(r"#[A-Za-z0-9_]+") | pp.Regex(r"[A-Za-z_][A-Za-z0-9_]*")
_INDEX = pp.Suppress("[") + pp.Regex(r"\d+").set_parse_action(lambda tokens: int(tokens[0])) + pp.Suppress("]")
PATH = (_NAME + ((pp.Suppress(".") + _NAME) | _INDEX)[...]).set_parse_action(lambda tokens: [Path(tuple(tokens))])
VALUE = pp.Regex(r":[A-Za-z0-9_]+").set_parse_action(lambda tokens: [Value(tokens[0])])


def _update_grammar() -> pp.ParserElement:
    operand = pp.Forward()
    functions = _call("if_not_exists", PATH, operand) | _call("list_append", operand, operand)
    parenthesised = pp.Suppress("(") + operand + pp.Suppress(")")
    operand <<= functions | parenthesised | VALUE | PATH
    sum_of = (operand + pp.Opt(pp.one_of("+ -") + operand)).set_parse_action(_binary)
    assignment = (PATH + pp.Suppress("=") + sum_of).set_parse_action(_node("="))
    sections = {
        "SET": assignment,
        "REMOVE": PATH.copy().add_parse_action(_node("path")),
        "ADD": (PATH + VALUE).set_parse_action(_node("ADD")),
        "DELETE": (PATH + VALUE).set_parse_action(_node("DELETE")),
    }
    section = pp.MatchFirst(
        [(_word(name) + _list(action)).set_parse_action(_node(f"{name} section")) for name, action in sections.items()]
    )
    return section[1, ...]


def _condition_grammar() -> pp.ParserElement:
    size = _call("size", PATH)
    operand = size | VALUE | PATH
    functions = (
        _call("attribute_exists", PATH)
        | _call("attribute_not_exists", PATH)
        | _call("attribute_type", PATH, VALUE)
        | _call("begins_with", operand, operand)
        | _call("contains", operand, operand)
    )
    comparison = (operand + pp.one_of("<> <= >= < > =") + operand).set_parse_action(_binary)
    between = (operand + _word("BETWEEN") + operand + _word("AND") + operand).set_parse_action(_node("BETWEEN"))
    one_of = operand + _word("IN") + pp.Suppress("(") + _list(operand) + pp.Suppress(")")
    condition = pp.Forward()
    parenthesised = pp.Suppress("(") + condition + pp.Suppress(")")
    primary = functions | between | one_of.set_parse_action(_node("IN")) | comparison | parenthesised
    negated = pp.Forward()
    negated <<= (_word("NOT") + negated) | primary
    both = negated + (_word("AND") + negated)[...]
    condition <<= both + (_word("OR") + both)[...]
    return condition


def _key_grammar() -> pp.ParserElement:
    clause = pp.Forward()
    comparison = (PATH + pp.one_of("<= >= < > =") + VALUE).set_parse_action(_binary)
    between = (PATH + _word("BETWEEN") + VALUE + _word("AND") + VALUE).set_parse_action(_node("BETWEEN"))
    parenthesised = pp.Suppress("(") + clause + pp.Suppress(")")
    clause <<= _call("begins_with", PATH, VALUE) | between | comparison | parenthesised
    return clause + (_word("AND") + clause)[...]


GRAMMARS = {
    "UpdateExpression": _update_grammar(),
    "ConditionExpression": _condition_grammar(),
    "FilterExpression": _condition_grammar(),
    "KeyConditionExpression": _key_grammar(),
    "ProjectionExpression": _list(PATH),
}
# The members of a request that hold the requests of single items.
BATCHES: dict[str, Callable[[Mapping[str, Any]], Iterator[Mapping[str, Any]]]] = {
    "BatchGetItem": lambda request: iter((request.get("RequestItems") or {}).values()),
    "TransactGetItems": lambda request: _members(request),
    "TransactWriteItems": lambda request: _members(request),
}


def _members(request: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    return (member for item in request.get("TransactItems") or () for member in item.values())


@lru_cache(maxsize=4096)
def parse(kind: str, text: str) -> tuple[Any, ...] | str:
    """The nodes of an expression, or an error message: a syntax error, a reserved word, or a repeated section."""
    if not text.strip():
        return f"Invalid {kind}: The expression can not be empty;"
    try:
        parsed = tuple(GRAMMARS[kind].parse_string(text, parse_all=True))
    except pp.ParseException as failure:
        rest = text[failure.loc :].split()
        near = " ".join([*text[: failure.loc].split()[-1:], *rest[:1]])
        return f'Invalid {kind}: Syntax error; token: "{rest[0] if rest else "<EOF>"}", near: "{near}"'
    for path in _paths(parsed):
        for part in path.parts:
            if isinstance(part, str) and part.upper() in AWS_KEYWORDS:
                return f"Invalid {kind}: Attribute name is a reserved keyword; reserved keyword: {part}"
    sections = [node.kind for node in parsed if isinstance(node, Node) and node.kind.endswith(" section")]
    for name in sections:
        if sections.count(name) > 1:
            word = name.removesuffix(" section")
            return f'Invalid {kind}: The "{word}" section can only be used once in an update expression;'
    return parsed


def _walk(parsed: Any) -> Iterator[Any]:
    for part in parsed:
        yield part
        if isinstance(part, Node):
            yield from _walk(part.operands)


def _paths(parsed: Any) -> Iterator[Path]:
    return (part for part in _walk(parsed) if isinstance(part, Path))


def error(operation: str, request: Mapping[str, Any], key_attributes: frozenset[str] = frozenset()) -> str | None:
    """The message of the ValidationException for the expressions of a request; ``key_attributes`` are of its index."""
    members = BATCHES[operation](request) if operation in BATCHES else iter((request,))
    return next(
        (message for member in members if isinstance(member, Mapping) and (message := _error(member, key_attributes))),
        None,
    )


def _error(request: Mapping[str, Any], key_attributes: frozenset[str]) -> str | None:
    names, values = request.get(NAMES) or {}, request.get(VALUES) or {}
    for value in values.values():
        if len(value) != 1:
            return f"ExpressionAttributeValues contains invalid value: {MORE_THAN_ONE_TYPE}"
        if set(value) & SETS and not all(value.values()):
            return "One or more parameter values were invalid: A set may not be empty"
    for kind in GRAMMARS:
        if not isinstance(request.get(kind), str):
            continue
        parsed = parse(kind, request[kind])
        if isinstance(parsed, str):
            return parsed
        message = (
            _undefined(kind, parsed, names, values)
            or _wrong_operand(kind, parsed, values)
            or _overlap(kind, parsed, names)
            or _key_in_filter(kind, parsed, names, key_attributes)
        )
        if message:
            return message
    return None


def _undefined(kind: str, parsed: Any, names: Mapping[str, str], values: Mapping[str, Any]) -> str | None:
    for part in _walk(parsed):
        if isinstance(part, Value) and part.name not in values:
            what = "value used in expression is not defined; attribute value"
            return f"Invalid {kind}: An expression attribute {what}: {part.name}"
        for name in part.parts if isinstance(part, Path) else ():
            if isinstance(name, str) and name.startswith("#") and name not in names:
                what = "name used in the document path is not defined; attribute name"
                return f"Invalid {kind}: An expression attribute {what}: {name}"
    return None


def _wrong_operand(kind: str, parsed: Any, values: Mapping[str, Any]) -> str | None:
    for node in _walk(parsed):
        for position, operand in enumerate(node.operands if isinstance(node, Node) else ()):
            allowed = OPERANDS.get((node.kind, position))
            if allowed and isinstance(operand, Value) and not allowed & set(values[operand.name]):
                (operand_type,) = values[operand.name]
                return (
                    f"Invalid {kind}: Incorrect operand type for operator or function; "
                    f"operator or function: {node.kind}, operand type: {operand_type}"
                )
    return None


def _separate_paths(kind: str, parsed: Any) -> list[Path]:
    """The paths that an update writes, or a projection reads: no two may overlap."""
    if kind == "ProjectionExpression":
        return list(parsed)
    if kind != "UpdateExpression":
        return []
    actions = (action for section in parsed for action in section.operands)
    return [action.operands[0] for action in actions]


def _overlap(kind: str, parsed: Any, names: Mapping[str, str]) -> str | None:
    resolved = [
        tuple(names.get(part, part) if isinstance(part, str) else part for part in path.parts)
        for path in _separate_paths(kind, parsed)
    ]
    for one, other in combinations(resolved, 2):
        shared = min(len(one), len(other))
        if one[:shared] == other[:shared]:
            return (
                f"Invalid {kind}: Two document paths overlap with each other; "
                f"must remove or rewrite one of these paths; path one: {_formatted(one)}, path two: {_formatted(other)}"
            )
    return None


def _formatted(path: tuple[str | int, ...]) -> str:
    return f"[{', '.join(f'[{part}]' if isinstance(part, int) else part for part in path)}]"


def _key_in_filter(kind: str, parsed: Any, names: Mapping[str, str], key_attributes: frozenset[str]) -> str | None:
    if kind != "FilterExpression":
        return None
    for path in _paths(parsed):
        name = names.get(str(path.parts[0]), str(path.parts[0]))
        if name in key_attributes:
            return f"Filter Expression can only contain non-primary key attributes: Primary key attribute: {name}"
    return None

"""Compiles a node by its type: WRITERS for what writes output, VALUES for what has a value. `compiler` fills both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airspeed.operators import NoMatch, TemplateSyntaxError

from apigw_executor.vtl import parser
from apigw_executor.vtl.scope import Scope, TemplateFault, Value, Writer

WRITERS: dict[type, Callable[[Any], Writer]] = {}
VALUES: dict[type, Callable[[Any], Value]] = {}


def template(source: str) -> Writer:
    """Writes a whole template. Raises TemplateFault if `source` is not Velocity."""
    try:
        return block(parser.parse(source))
    except TemplateSyntaxError as error:
        raise TemplateFault(f"line {error.line}, column {error.column}: {error}") from None
    except (NoMatch, RecursionError) as error:
        raise TemplateFault(f"not a Velocity template: {error!r}") from None


def block(node: Any) -> Writer:
    """Writes the nodes of a block one after another."""
    writers = [_writer(child) for child in parser.children(node)]
    if len(writers) == 1:
        return writers[0]

    def run(scope: Scope) -> None:
        for writer in writers:
            writer(scope)

    return run


def _writer(node: Any) -> Writer:
    compile_node = WRITERS.get(type(node))
    if compile_node is None:
        raise TemplateFault(f"{type(node).__name__} is not available in a mapping template: {node.my_text()}")
    return compile_node(node)


def value(node: Any) -> Value:
    """The value of a node."""
    compile_node = VALUES.get(type(node))
    if compile_node is None:
        raise TemplateFault(f"{type(node).__name__} is not a value: {node.my_text()}")
    return compile_node(node)

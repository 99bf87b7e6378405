"""Reads templates with the parser of `airspeed-ext`, corrected to the syntax of Velocity 1.7."""

from __future__ import annotations

import itertools
import re
from typing import Any

from airspeed import operators as syntax

from apigw_executor.vtl.scope import TemplateFault


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

# What Velocity's parser refuses and the library passes on as text: a directive without its parts, such as `#if(`.
_BROKEN = re.compile(r"\{?(if|elseif|foreach|set|macro|define)\}?\s*\(")


def parse(source: str) -> Any:
    """The block of the whole template. Raises TemplateSyntaxError, NoMatch, RecursionError."""
    template = syntax.Template(source)
    template.ensure_compiled()
    return template.root_element.block


def children(block: Any) -> list[Any]:
    """The nodes of a block. Raises TemplateFault if one is a broken directive."""
    for first, second in itertools.pairwise(block.children):
        if (
            isinstance(first, syntax.FallthroughHashText)
            and isinstance(second, syntax.Text)
            and _BROKEN.match(second.text)
        ):
            raise TemplateFault(f"a broken directive: #{second.text[:40]}")
    return _without_indents_of_set(block.children)


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

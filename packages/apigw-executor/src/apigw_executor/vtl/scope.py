"""The variables and the output of one rendering."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

MAX_OUTPUT = 10 * 1024 * 1024  # characters; API Gateway's payload limit, here a stop for a runaway loop


class TemplateFault(Exception):
    """The template cannot be read, or a method that it called threw."""


class PayloadTooLarge(TemplateFault):
    """The output is more than API Gateway sends on."""


class Stop(Exception):
    """#stop: what was written so far is the output."""


class Break(Exception):
    """#break: leaves the innermost #foreach."""


class Scope:
    """The variables of one rendering, and what was written so far."""

    __slots__ = ("depth", "macros", "out", "size", "variables")

    def __init__(self, variables: dict[str, Any]) -> None:
        self.variables = variables
        self.macros: dict[str, tuple[list[str], Writer]] = {}
        self.out: list[str] = []
        self.size = 0
        self.depth = 0

    def write(self, text: str) -> None:
        self.size += len(text)
        if self.size > MAX_OUTPUT:
            raise PayloadTooLarge("the output is larger than a payload can be")
        self.out.append(text)

    def captured(self, writer: Writer) -> str:
        """What `writer` writes, as text instead of output."""
        kept, self.out = self.out, []
        size = self.size
        try:
            writer(self)
            return "".join(self.out)
        finally:
            self.out, self.size = kept, size


Writer = Callable[[Scope], None]
Value = Callable[[Scope], Any]


class Definition:
    """The block of a #define: rendered anew at each reference."""

    def __init__(self, writer: Writer) -> None:
        self.writer = writer

"""Compiles a template into closures, once; it can then be rendered from many threads."""

from __future__ import annotations

from typing import Any

from apigw_executor.vtl import nodes
from apigw_executor.vtl.directives import DIRECTIVES
from apigw_executor.vtl.expressions import EXPRESSIONS
from apigw_executor.vtl.scope import Break, Scope, Stop, TemplateFault
from apigw_executor.vtl.values import JavaError

nodes.WRITERS.update(DIRECTIVES)
nodes.VALUES.update(EXPRESSIONS)


class Template:
    """A compiled template. `render` is safe to call from many threads at once."""

    def __init__(self, source: str) -> None:
        """TemplateFault if `source` is not Velocity."""
        self._run = nodes.template(source)

    def render(self, variables: dict[str, Any]) -> str:
        """The output. `variables` is the root scope, changed by #set; TemplateFault if a method throws."""
        scope = Scope(variables)
        try:
            self._run(scope)
        except (Stop, Break):
            pass
        except (JavaError, OverflowError, ValueError) as error:
            # The latter two are Python's: a number too large for a double, or for its own text.
            raise TemplateFault(str(error)) from None
        except RecursionError:
            raise TemplateFault("nested too deeply") from None
        return "".join(scope.out)

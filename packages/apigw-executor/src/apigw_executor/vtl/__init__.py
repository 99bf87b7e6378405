"""Velocity templates, as API Gateway runs them.

`parser` reads a template into the nodes of `airspeed-ext`, `compiler` makes closures of the nodes, `scope` has the variables
and the output of one rendering, `values` and `methods` are Java's view of the values.

The library's parser is kept and its evaluator is not, because API Gateway runs Apache Velocity 1.7 and the library
differs from it where templates rely on it: it evaluates both sides of `&&`, takes `#if` of null for true and `!` of
null for false, divides negative integers downwards, reaches any attribute of a Python object, and walks a map by its
keys.

Two results are API Gateway's own rather than Velocity's: a reference to nothing prints as nothing, not as its source
text, and an assignment may reach into `$context` (`#set($context.responseOverride.status = 404)`).
"""

from apigw_executor.vtl.compiler import Template
from apigw_executor.vtl.scope import PayloadTooLarge, TemplateFault

__all__ = ["PayloadTooLarge", "Template", "TemplateFault"]

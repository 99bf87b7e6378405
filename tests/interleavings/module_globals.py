"""Global variables of modules: functions share them in one process, but not in Lambda, so each side has its own values."""

import ast
import sys
from collections.abc import Mapping
from functools import cache
from typing import Any

from model.settings import ROOT


@cache
def global_names() -> tuple[tuple[str, str], ...]:
    """(module, name) of the variables that functions of this repository assign with a ``global`` statement."""
    variables = []
    for path in sorted((ROOT / "functions").rglob("*.py")):
        names = {
            name
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Global)
            for name in node.names
        }
        _, *module = path.relative_to(ROOT / "functions").with_suffix("").parts
        variables += [(".".join(module), name) for name in sorted(names)]
    return tuple(variables)


def global_values() -> dict[tuple[str, str], Any]:
    return {
        (module, name): getattr(sys.modules[module], name) for module, name in global_names() if module in sys.modules
    }


def set_globals(values: Mapping[tuple[str, str], Any]) -> None:
    for (module, name), value in values.items():
        setattr(sys.modules[module], name, value)

"""Test modules do not import each other; shared code has its own module."""

import ast
from collections.abc import Iterator

from model.settings import ROOT


def imports() -> Iterator[tuple[str, str]]:
    """(file, imported module) of every import in the repository's own Python files."""
    for folder in ("bench", "local", "model", "packages", "pages", "tests", "tools"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Import):
                    yield from ((str(path.relative_to(ROOT)), name.name) for name in node.names)
                if isinstance(node, ast.ImportFrom):
                    package = node.module or ""
                    yield str(path.relative_to(ROOT)), package
                    yield from ((str(path.relative_to(ROOT)), f"{package}.{name.name}") for name in node.names)


def test_no_module_imports_from_a_test_module():
    modules = {".".join(path.relative_to(ROOT).with_suffix("").parts) for path in (ROOT / "tests").rglob("test_*.py")}
    assert len(modules) > 100
    assert [(file, module) for file, module in imports() if module in modules] == []

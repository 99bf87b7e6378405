"""The gateway package knows nothing of this repository and declares every library that it imports."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from model.settings import ROOT

PACKAGE = ROOT / "packages" / "apigw-executor"
NAMES = re.compile(r"set.?pieces|local cloud|front.?door|\blocal\.\w|this repository", re.IGNORECASE)
FILES = [
    pytest.param(file, id=str(file.relative_to(PACKAGE)))
    for file in sorted(PACKAGE.rglob("*"))
    if file.suffix in (".py", ".md", ".toml", ".yaml", ".json") and "__pycache__" not in file.parts
]


@pytest.mark.parametrize("file", FILES)
def test_no_file_names_the_repository(file: Path):
    assert NAMES.findall(file.read_text()) == []


def imported(files: Iterable[Path]) -> set[str]:
    """The distributions of the libraries that ``files`` import, in lower case."""
    modules = {
        name.partition(".")[0]
        for file in files
        for node in ast.walk(ast.parse(file.read_text()))
        for name in names_of(node)
    }
    own = {"apigw_executor", *(file.stem for file in (PACKAGE / "tests").glob("*.py"))}
    distributions = packages_distributions()
    return {
        distributions[module][0].lower().replace("_", "-") for module in modules - set(sys.stdlib_module_names) - own
    }


def names_of(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []


def declared(requirements: list[str]) -> set[str]:
    return {re.split(r"[<>=\[]", requirement)[0].lower() for requirement in requirements}


def test_dependencies_are_the_imported_libraries():
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]
    assert imported((PACKAGE / "src").rglob("*.py")) == declared(project["dependencies"])
    needed = declared(project["dependencies"]) | declared(project["optional-dependencies"]["test"])
    assert imported((PACKAGE / "tests").rglob("*.py")) <= needed

"""``model.templates`` is the only module that parses templates: loops, snippets and modules mean the same to all tools."""

import ast
from collections.abc import Iterator
from pathlib import Path

from model.settings import ROOT

ROOMS = ("bench", "local", "model", "pages", "tests", "tools")
READER = ROOT / "model" / "templates.py"
# Names of parsers of short-form intrinsics, which ``yaml.safe_load`` refuses. cfn-lint decodes what it lints itself.
PARSERS = {
    "add_constructor",
    "add_multi_constructor",
    "intrinsics_multi_constructor",
    "yaml_parse",
    "yaml_helper",
}


def parsers_of(source: str) -> Iterator[str]:
    """Names in Python code that belong to a parser of templates."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Attribute(value=ast.Name("yaml"), attr=("load" | "load_all") as name):
                yield f"yaml.{name}"
            case ast.Attribute(attr=name) | ast.Name(name) if name in PARSERS:
                yield name
            case ast.ImportFrom(module=str(module), names=aliases):
                yield from {*module.split("."), *(alias.name for alias in aliases)} & PARSERS


def files() -> Iterator[Path]:
    for room in ROOMS:
        yield from (ROOT / room).rglob("*.py")


def test_only_the_reader_parses_templates():
    parsers = {file.relative_to(ROOT): sorted(set(parsers_of(file.read_text()))) for file in files() if file != READER}
    assert {file: names for file, names in parsers.items() if names} == {}


def test_a_parser_of_templates_is_recognised():
    assert set(parsers_of(READER.read_text())) >= {"yaml.load", "intrinsics_multi_constructor"}
    assert list(parsers_of("from samtranslator.yaml_helper import yaml_parse\nyaml_parse(text)"))

"""Modules: properties that several templates include (``AWS::Include``), beside the properties that differ."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from model.settings import ROOT
from model.sources import INCLUDE, read
from model.templates import load

TEMPLATES = sorted((ROOT / "templates").glob("*.yaml"))
MODULES = [pytest.param(path, id=path.stem) for path in sorted((ROOT / "templates" / "modules").glob("*.yaml"))]
SHORT_FORMS = "!"


def templates_by_included_file() -> dict[Path, set[str]]:
    users = defaultdict(set)
    for template in TEMPLATES:
        for reference in read(template).references:
            if reference.kind == INCLUDE:
                users[reference.path].add(template.stem)
    return users


def mappings(value: Any) -> list[dict[str, Any]]:
    """``value`` and what is in it, as far as they are mappings."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    own = [value] if isinstance(value, dict) else []
    return own + [mapping for each in inner for mapping in mappings(each)]


@pytest.mark.parametrize("module", MODULES)
def test_two_templates_or_more_include_a_module(module: Path):
    assert len(templates_by_included_file()[module]) > 1


@pytest.mark.parametrize("module", MODULES)
def test_a_module_has_intrinsics_in_long_form(module: Path):
    """CloudFormation includes no short form."""
    lines = module.read_text().splitlines()
    assert [line for line in lines if f" {SHORT_FORMS}" in line and not line.startswith("#")] == []


@pytest.mark.parametrize("module", MODULES)
def test_no_template_repeats_a_module(module: Path):
    common = load(module.read_text())
    repeated = {
        template.stem
        for template in TEMPLATES
        for mapping in mappings(read(template).document)
        if common.items() <= mapping.items()
    }
    assert repeated == set()


@pytest.mark.parametrize("template", [pytest.param(path, id=path.stem) for path in TEMPLATES])
def test_no_property_is_in_a_module_and_beside_it(template: Path):
    """CloudFormation does not document which of them it takes."""
    document = read(template).document
    for mapping in mappings(document):
        transform = mapping.get("Fn::Transform")
        if transform:
            included = load((template.parent / transform["Parameters"]["Location"]).read_text())
            assert included.keys() & mapping.keys() == set()

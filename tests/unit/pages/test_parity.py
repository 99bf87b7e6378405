"""The list of differences is complete; the tests and places that it names exist."""

import ast
from functools import cache

import pytest
from rich.console import Console

from local.emulator.patches import PATCHES
from model.settings import ROOT
from pages import parity
from pages.parity import Difference

DIFFERENCES = [pytest.param(difference, id=difference.name) for difference in parity.differences()]


@cache
def names(path: str) -> set[str]:
    """What a module defines at its top level. No such file is a FileNotFoundError."""
    defined = set()
    for node in ast.parse((ROOT / path).read_text()).body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                defined.add(node.name)
            case ast.Assign():
                defined.update(target.id for target in node.targets if isinstance(target, ast.Name))
    return defined


@pytest.mark.parametrize("difference", DIFFERENCES)
def test_a_difference_is_complete_and_its_tests_exist(difference: Difference):
    assert all((difference.aws, difference.local, difference.reason))
    assert difference.tests or difference.on_aws
    assert "|" not in f"{difference.aws}{difference.local}{difference.reason}{difference.on_aws}", "ends a table's cell"
    for test in difference.tests:
        path, name = test.split("::")
        assert name in names(path), test
    if difference.where:
        path, _, name = difference.where.partition(":")
        assert (ROOT / path).is_file(), path
        assert not name or name in names(path), difference.where


def test_names_are_unique():
    difference_names = [difference.name for difference in parity.differences()]
    assert len(difference_names) == len(set(difference_names))


def test_every_patch_is_listed_with_the_test_of_its_name():
    listed = {difference.name: difference for difference in parity.differences()}
    for patch in PATCHES:
        assert set(patch.node_ids) <= set(listed[patch.name].tests)


def test_every_parity_test_belongs_to_a_difference():
    """The test of a removed patch would test nothing."""
    files = [str(file.relative_to(ROOT)) for file in (ROOT / "tests/integration/parity").glob("test_*.py")]
    tests = {f"{file}::{name}" for file in files for name in names(file) if name.startswith("test_")}
    assert tests
    assert tests <= {test for difference in parity.differences() for test in difference.tests}


def test_the_differences_are_printed_unchanged():
    """Backticks and square brackets are text, not markup."""
    console = Console(width=2000)
    with console.capture() as captured:
        parity.print_differences(console)
    page = captured.get()
    for difference in parity.differences():
        for text in (difference.name, difference.aws, difference.local, difference.reason, difference.on_aws):
            assert text in page

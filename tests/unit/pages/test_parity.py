"""The list of differences is complete; the tests and places that it names exist."""

import ast
from functools import cache
from types import ModuleType

import pytest
from rich.console import Console

from local.emulator import corrections
from model.settings import ROOT
from pages import parity
from pages.parity import PATCH_TESTS, Difference

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


def test_every_correction_is_listed_with_the_test_of_its_name():
    listed = {difference.name: difference for difference in parity.differences()}
    for correction in corrections.CORRECTIONS:
        assert f"{PATCH_TESTS}::test_{correction.name.replace('-', '_')}" in listed[correction.name].tests


def test_every_probe_is_of_a_difference():
    """A test of a correction that is gone would show nothing."""
    probes = {f"{PATCH_TESTS}::{name}" for name in names(PATCH_TESTS) if "test_" in name}
    assert probes <= {test for difference in parity.differences() for test in difference.tests}


def test_the_differences_are_printed_unchanged():
    """Backticks and square brackets are text, not markup."""
    console = Console(width=2000)
    with console.capture() as captured:
        parity.print_differences(console)
    page = captured.get()
    for difference in parity.differences():
        for text in (difference.name, difference.aws, difference.local, difference.reason, difference.on_aws):
            assert text in page


def test_a_correction_that_no_longer_fits_is_named(monkeypatch):
    """As when the emulator has changed: the text to replace is not there, and a type that was left out is known."""
    module = ModuleType("emulator")
    vars(module)["TEXT"] = "as it was"
    misfit = corrections.Correction(
        "misfit", "functions", "", "", "", lambda: corrections._replace_in_text(module, "TEXT", "as it is", "corrected")
    )
    monkeypatch.setattr(corrections, "CORRECTIONS", (misfit,))
    with pytest.raises(
        corrections.NoLongerNeeded, match=r"correction misfit: emulator\.TEXT does not contain 'as it is'"
    ):
        corrections.apply()

"""Suppressed findings of linters: few, and each with its reason."""

import re
import subprocess

import pytest
import yaml

from model.settings import ROOT

CODE = ("functions", "local", "model", "packages", "pages", "storefront", "tools")
MOST_INLINE_SKIPS = 20
MOST_GLOBAL_SKIPS = 6
MOST_IN_CODE = 20


def lines(*patterns: str) -> list[tuple[str, str]]:
    """(file, line) of every line of tracked files of these names."""
    names = subprocess.run(
        ["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    return [(name, line) for name in names for line in (ROOT / name).read_text().splitlines()]


def test_templates_say_why_a_policy_check_does_not_fit():
    skips = [(name, line) for name, line in lines("templates/*.yaml") if "checkov:skip" in line]
    for name, line in skips:
        assert re.search(r"# checkov:skip=CKV2?_AWS_\d+:\w.{15,}", line), f"{name}: {line.strip()}"
    assert len(skips) <= MOST_INLINE_SKIPS


def test_checks_that_are_skipped_everywhere_are_few_and_each_has_its_reason():
    text = (ROOT / ".checkov.yaml").read_text()
    skips = yaml.safe_load(text)["skip-check"]
    assert len(skips) <= MOST_GLOBAL_SKIPS
    for skip in skips:
        assert re.search(rf"^  # .{{20,}}\n  - {skip}$", text, re.MULTILINE), skip


def test_cfn_lint_has_no_suppressions():
    assert not list(ROOT.glob(".cfnlintrc*"))
    assert [
        (name, line) for name, line in lines("templates/*.yaml") if re.search(r"cfn-lint|ignore_checks", line)
    ] == []


@pytest.mark.parametrize("marker", ["noqa", "type: ignore"])
def test_code_names_the_rule_it_breaks(marker: str):
    code = lines(*(f"{folder}/*.py" for folder in CODE))
    suppressions = [(name, line) for name, line in code if f"# {marker}" in line]
    for name, line in suppressions:
        assert re.search(r"# noqa: [A-Z]+\d+|# type: ignore\[[\w-]+\]", line), f"{name}: {line.strip()}"
    assert len(suppressions) <= MOST_IN_CODE


def test_no_test_is_skipped():
    marks = re.compile(r"pytest\.(skip|xfail|importorskip)\(|@pytest\.mark\.(skip|skipif|xfail)")
    assert [(name, line) for name, line in lines("tests/*.py") if marks.search(line) and "re.compile" not in line] == []


def test_the_pipeline_runs_only_code_that_cannot_change():
    """A tag of an action can be moved; a commit cannot."""
    uses = [line for _, line in lines(".github/workflows/*.yml") if "uses:" in line and "uses: ./" not in line]
    assert uses
    assert [line for line in uses if not re.search(r"uses: [\w-]+/[\w-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+$", line)] == []

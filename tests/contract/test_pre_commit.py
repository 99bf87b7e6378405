"""The hooks of pre-commit find what they check, as ``make lint`` does."""

import re
import shlex
import subprocess

import pytest
import yaml

from model.settings import ROOT
from tests.checks import TEMPLATES

(REPOSITORY,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
HOOKS = {hook["id"]: hook for hook in REPOSITORY["hooks"]}
FOLDER_HOOKS = [hook for hook in HOOKS.values() if not hook.get("pass_filenames", True)]


@pytest.mark.parametrize("hook", FOLDER_HOOKS, ids=lambda hook: hook["id"])
def test_a_hook_that_takes_no_file_names_passes(hook):
    run = subprocess.run(shlex.split(hook["entry"]), cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stdout + run.stderr


def test_cfn_lint_gets_the_templates_without_the_modules_that_they_include():
    files = {str(path.relative_to(ROOT)) for path in ROOT.glob("templates/**/*.yaml")}
    assert {file for file in files if re.search(HOOKS["cfn-lint"]["files"], file)} == set(TEMPLATES)

"""The hooks of pre-commit find what they check, as ``make lint`` does."""

import shlex
import subprocess

import pytest
import yaml

from model.settings import ROOT

(REPOSITORY,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
FOLDER_HOOKS = [hook for hook in REPOSITORY["hooks"] if not hook.get("pass_filenames", True)]


@pytest.mark.parametrize("hook", FOLDER_HOOKS, ids=lambda hook: hook["id"])
def test_a_hook_that_takes_no_file_names_passes(hook):
    run = subprocess.run(shlex.split(hook["entry"]), cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stdout + run.stderr

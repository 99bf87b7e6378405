"""Commands that need what only the local cloud has."""

import importlib

import pytest
from click.testing import CliRunner

from tools.cli import COMMANDS


@pytest.mark.parametrize("command", ["demo", "mail"])
def test_a_command_that_reads_mails_refuses_a_stage_on_aws(command, monkeypatch):
    monkeypatch.setenv("SETPIECES_STAGE", "dev")
    module, _, name = COMMANDS[command].partition(":")
    outcome = CliRunner().invoke(getattr(importlib.import_module(module), name))
    assert outcome.exit_code == 1
    assert "Stage dev sends its mails to their recipients; only the local cloud keeps them." in outcome.output

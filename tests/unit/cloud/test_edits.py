"""The order of the steps that bring edited files into the running shop."""

from unittest.mock import Mock, call

import pytest

from local.cloud import edits
from local.deployment.update import Plan
from model.settings import ROOT
from tools.deploy import DeployFailed


def test_functions_restart_with_the_new_layer_before_the_update_and_again_if_it_fails(monkeypatch):
    steps = Mock()
    steps.update.side_effect = DeployFailed("rolled back")
    steps.restore_layers.return_value = True
    for name in ("refresh_layers", "kill_workers", "restore_layers"):
        monkeypatch.setattr(edits, name, getattr(steps, name))
    monkeypatch.setattr(edits.checks, "check", steps.check)
    monkeypatch.setattr(edits.update, "update", steps.update)
    monkeypatch.setattr(Plan, "changes_layer", lambda _: True)
    plan = Plan({}, {}, {ROOT / "functions" / "common" / "setpieces" / "rest_api.py"})

    with pytest.raises(DeployFailed):
        edits.deploy_pending(plan, steps.progress)

    names = [name for name, _, _ in steps.mock_calls if name != "progress"]
    assert names == ["check", "refresh_layers", "kill_workers", "update", "restore_layers", "kill_workers"]
    assert steps.check.mock_calls == [call({}, [], plan.changed)]

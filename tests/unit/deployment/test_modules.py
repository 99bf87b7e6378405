"""An edited module is linted in a template that includes it."""

from functools import partial

import pytest

from local.deployment import checks
from local.deployment.findings import Rejected
from local.settings import LINTED
from model import sources, templates
from model.settings import ROOT

MODULE = ROOT / "templates" / "modules" / "api-errors-alarm.yaml"


@pytest.fixture
def check(monkeypatch):
    monkeypatch.delenv(LINTED, raising=False)
    deployed = sources.templates()
    return partial(checks.check, deployed, sources.affected(deployed, {MODULE}), {MODULE})


def test_a_misspelled_property_of_a_module_is_rejected(check, monkeypatch):
    load = templates.load
    monkeypatch.setattr(templates, "load", lambda text: load(text.replace("Period:", "Perod:")))
    with pytest.raises(Rejected, match=r"E3002 .*'Perod' was unexpected.*with modules"):
        check()


def test_a_correct_module_is_accepted(check):
    check()

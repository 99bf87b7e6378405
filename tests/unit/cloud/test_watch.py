"""The watch restarts itself when its own code has changed."""

from local.cloud import watch
from model.settings import ROOT


def test_its_own_code_is_the_code_of_imported_modules():
    own = watch._own_code()
    assert {ROOT / name for name in ("local/cloud/edits.py", "local/deployment/update.py", "model/sources.py")} <= own

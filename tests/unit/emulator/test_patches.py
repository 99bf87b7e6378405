"""Each patch names its upstream report, and fails by its name if the emulator has changed."""

from types import ModuleType

import pytest

from local.emulator import patches
from local.emulator.patch import NoLongerNeeded, Patch, replace_in_text


@pytest.mark.parametrize("patch", [pytest.param(patch, id=patch.name) for patch in patches.PATCHES])
def test_a_patch_names_its_upstream_report(patch: Patch):
    assert patch.upstream == "not reported" or patch.upstream.startswith("https://github.com/ministackorg/ministack/")


def test_a_patch_that_no_longer_fits_is_named(monkeypatch: pytest.MonkeyPatch):
    """The text that it replaces is missing, as after a change of the emulator."""
    module = ModuleType("emulator")
    vars(module)["TEXT"] = "new text"

    def misfit() -> None:
        replace_in_text(module, "TEXT", "old text", "patched text")

    unneeded = Patch("misfit", "functions", "", "", "", "not reported", (), misfit)
    monkeypatch.setattr(patches, "PATCHES", (unneeded,))
    with pytest.raises(NoLongerNeeded, match=r"patch misfit: emulator\.TEXT does not contain 'old text'"):
        patches.apply()

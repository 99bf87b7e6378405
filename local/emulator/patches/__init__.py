"""Patches of MiniStack 1.5.33, applied in its own process before it serves, with a module for each AWS service.

A patch finds the code that it replaces by its text. If a newer emulator lacks this text, ``apply`` fails and names the
patch, so that no patch outlives its reason. ``make parity`` lists them; ``tests/integration/parity`` has a test for each,
named after it, which shows that the unpatched emulator still differs from AWS.
"""

from importlib import import_module
from pkgutil import iter_modules

from local.emulator import patch

for _module in iter_modules(__path__):  # by name: the order in which patches are applied
    import_module(f"{__name__}.{_module.name}")

PATCHES = tuple(patch.registered)


def apply() -> None:
    """Apply every patch. Raises ``NoLongerNeeded`` with the name of the first that does not fit this emulator."""
    for each in PATCHES:
        try:
            each.apply()
        except (patch.NoLongerNeeded, AttributeError, StopIteration) as error:
            raise patch.NoLongerNeeded(f"patch {each.name}: {error}") from error

"""The patches of ``local.emulator.patches.ssm``, beside an emulator without patches."""

import pytest

from tests.integration.two_emulators import Cloud, error_code
from tools.client import unique

pytestmark = pytest.mark.local_only("it starts emulators of its own")


def test_parameter_sizes(plain: Cloud, patched: Cloud):
    """The limit of each tier, and one byte more."""

    def codes(cloud: Cloud, excess: int) -> list[str]:
        ssm, parameter = cloud.aws("ssm"), {"Name": unique("parameter"), "Type": "String", "Overwrite": True}
        return [
            error_code(ssm.put_parameter, **parameter, Tier=tier, Value="x" * (maximum + excess))
            for tier, maximum in (("Standard", 4096), ("Advanced", 8192))
        ]

    assert codes(plain, 0) == codes(plain, 1) == codes(patched, 0) == ["", ""]
    assert codes(patched, 1) == ["ValidationException"] * 2

"""The patches of ``local.emulator.patches.ec2``, beside an emulator without patches."""

import pytest

from tests.integration.two_emulators import printed_numbers

pytestmark = pytest.mark.local_only("it starts emulators of its own")


def test_ipv6_networks():
    """1 if a VPC returns its IPv6 block."""
    assert printed_numbers(
        "ipv6-networks",
        """
from ministack.services.cloudformation import provisioners
_, attributes = provisioners._RESOURCE_HANDLERS["AWS::EC2::VPC"]["create"]("Vpc", {"CidrBlock": "10.0.0.0/16"}, "stack")
print(int("Ipv6CidrBlocks" in attributes))
""",
    ) == (0, 1)

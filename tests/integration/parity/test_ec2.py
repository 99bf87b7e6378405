"""The patches of ``local.emulator.patches.ec2``, beside an emulator without patches."""

import pytest

from tests.integration.two_emulators import printed_numbers

pytestmark = pytest.mark.local_only("it starts emulators of its own")


def test_ipv6_networks():
    """Whether a network says the block of its subnets."""
    assert printed_numbers(
        "ipv6-networks",
        """
from ministack.services.cloudformation import provisioners
_, said = provisioners._RESOURCE_HANDLERS["AWS::EC2::VPC"]["create"]("Vpc", {"CidrBlock": "10.0.0.0/16"}, "stack")
print(int("Ipv6CidrBlocks" in said))
""",
    ) == (0, 1)

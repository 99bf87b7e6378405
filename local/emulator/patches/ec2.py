"""Patches of EC2."""

import inspect
from typing import Any

from local.emulator.patch import NoLongerNeeded, patch


@patch(
    "ipv6-networks",
    area="edge",
    aws="a VPC returns its IPv6 block, assigned by Amazon",
    emulator="GetAtt Vpc.Ipv6CidrBlocks fails",
    reason="containers call the shop's public APIs over IPv6; the local block is one reserved for documentation",
    upstream="not reported",
)
def assign_ipv6_blocks() -> None:
    from ministack.services.cloudformation import provisioners

    if "Ipv6CidrBlocks" in inspect.getsource(provisioners):
        raise NoLongerNeeded("VPCs have IPv6 blocks")
    handlers = provisioners._RESOURCE_HANDLERS["AWS::EC2::VPC"]
    create, update = handlers["create"], handlers["update"]

    def with_block(resource: tuple[str, dict[str, Any]]) -> tuple[str, dict[str, Any]]:
        # Reserved for documentation, RFC 3849.
        return resource[0], {**resource[1], "Ipv6CidrBlocks": ["2001:db8::/56"]}

    handlers["create"] = lambda *args, **kwargs: with_block(create(*args, **kwargs))
    handlers["update"] = lambda *args, **kwargs: with_block(update(*args, **kwargs))

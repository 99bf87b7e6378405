"""The sources that security groups allow. They are not enforced locally (``make parity``, edge-protection)."""

from collections.abc import Iterator
from ipaddress import IPv4Network
from typing import Any

import pytest

from model.templates import Piece, iter_resources, name_of

# AWS's list com.amazonaws.global.cloudfront.origin-facing in eu-central-1, the region of every stage in samconfig.toml.
CLOUDFRONT = "pl-a3a144ca"
# What an ingress has besides its source.
NO_SOURCE = {"IpProtocol", "FromPort", "ToPort", "Description", "GroupId"}
BALANCERS = [
    pytest.param(piece, name, balancer, id=f"{piece.service} {name}")
    for piece, name, balancer in iter_resources("AWS::ElasticLoadBalancingV2::LoadBalancer")
]


def sources(rule: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in rule.items() if key not in NO_SOURCE}


def ways_in(piece: Piece, group: str) -> Iterator[dict[str, Any]]:
    """The sources of every ingress of a security group. A rule for a group from another template may be for this one."""
    yield from map(sources, piece.of_type("AWS::EC2::SecurityGroup")[group].get("SecurityGroupIngress", []))
    for other, _, rule in iter_resources("AWS::EC2::SecurityGroupIngress"):
        security_group = name_of(rule["GroupId"])
        elsewhere = security_group not in other.of_type("AWS::EC2::SecurityGroup")
        if elsewhere or (other.service, security_group) == (piece.service, group):
            yield sources(rule)


@pytest.mark.parametrize(("piece", "name", "balancer"), BALANCERS)
def test_only_the_cdn_reaches_the_load_balancer(piece: Piece, name: str, balancer: dict[str, Any]):
    """It has private addresses, CloudFront gets there through its private origin, and no security group lets others in."""
    assert balancer["Scheme"] == "internal"
    origins = piece.of_type("AWS::CloudFront::VpcOrigin").values()
    assert [name_of(origin["VpcOriginEndpointConfig"]["Arn"]) for origin in origins] == [name]
    groups = [name_of(group) for group in balancer["SecurityGroups"]]
    let_in = {group: list(ways_in(piece, group)) for group in groups}
    assert let_in == {group: [{"SourcePrefixListId": CLOUDFRONT}] for group in groups}


def test_an_address_that_a_security_group_lets_in_is_of_the_vpc():
    (vpc,) = [IPv4Network(vpc["CidrBlock"]) for _, _, vpc in iter_resources("AWS::EC2::VPC")]
    addresses = {
        f"{piece.service} {name}": value
        for piece, name, _ in iter_resources("AWS::EC2::SecurityGroup")
        for source in ways_in(piece, name)
        for key, value in source.items()
        if key.startswith("Cidr")
    }
    assert addresses
    assert [where for where, cidr in addresses.items() if not IPv4Network(cidr).subnet_of(vpc)] == []

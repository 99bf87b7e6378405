"""The patches of ``local.emulator.patches.cloudfront``, beside an emulator without patches."""

import pytest

from tests.integration.two_emulators import printed_numbers

pytestmark = pytest.mark.local_only("it starts emulators of its own")


def test_private_origins():
    """1 if the CDN connects to a VPC origin over HTTP, for any protocol of the viewer."""
    assert printed_numbers(
        "private-origins",
        """
from xml.etree.ElementTree import fromstring
from ministack.services import cloudfront
origin = "<Origin><Id>o</Id><DomainName>d</DomainName><VpcOriginConfig><VpcOriginId>v</VpcOriginId></VpcOriginConfig></Origin>"
print(int(cloudfront._dataplane_origin(fromstring(origin))["protocol_policy"] == "http-only"))
""",
    ) == (0, 1)

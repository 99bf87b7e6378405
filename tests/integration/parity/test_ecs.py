"""The patches of ``local.emulator.patches.ecs``, beside an emulator without patches."""

import pytest

from tests.integration.two_emulators import printed_numbers

pytestmark = pytest.mark.local_only("it starts emulators of its own")


def test_container_secrets():
    """The number of secrets that a container definition keeps."""
    assert printed_numbers(
        "container-secrets",
        """
from ministack.services.cloudformation import provisioners
(container,) = provisioners._normalize_container_defs([{"Name": "c", "Secrets": [{"Name": "A", "ValueFrom": "/a"}]}])
print(sum(secret.get("valueFrom") == "/a" for secret in container["secrets"]))
""",
    ) == (0, 1)

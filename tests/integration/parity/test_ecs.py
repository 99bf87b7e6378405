"""The patches of ``local.emulator.patches.ecs``, beside an emulator without patches."""

import pytest

from tests.integration.two_emulators import printed_numbers

pytestmark = pytest.mark.local_only("it starts emulators of its own")


def test_container_secrets():
    """How many of a container's secrets can be found."""
    assert printed_numbers(
        "container-secrets",
        """
from ministack.services.cloudformation import provisioners
(made,) = provisioners._normalize_container_defs([{"Name": "c", "Secrets": [{"Name": "A", "ValueFrom": "/a"}]}])
print(sum(secret.get("valueFrom") == "/a" for secret in made["secrets"]))
""",
    ) == (0, 1)

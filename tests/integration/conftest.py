"""Tests share one shop and its outside systems, which some of them break, so they run one after the other.

Those that bring a cloud of their own run beside them (``make test-integration``).
"""

import pytest

OWN_CLOUD = ("test_deploy_path", "test_parity")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        group = "own cloud" if item.path.stem in OWN_CLOUD else "shop"
        item.add_marker(pytest.mark.xdist_group(group))

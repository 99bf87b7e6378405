"""Runs are in moto's DynamoDB, asked hundreds of times."""

import pytest

from tests.unit.quick_dynamodb import quick_dynamodb  # noqa: F401


@pytest.fixture(autouse=True)
def _quick(quick_dynamodb):  # noqa: F811
    """For every test here."""

"""The SDK as it is when answers get lost: what was done is done once more."""

from typing import Any

import pytest


def repeat(monkeypatch: pytest.MonkeyPatch, client: Any, operation: str) -> None:
    """``client`` does ``operation`` twice, as botocore does when the answer to its first attempt was lost."""
    once = getattr(client, operation)

    def twice(**asked: Any) -> Any:
        once(**asked)
        return once(**asked)

    monkeypatch.setattr(client, operation, twice)

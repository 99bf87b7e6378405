"""Two sides of a race in one order: what another request does between two calls of this one."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.client import BaseClient


def meanwhile(
    monkeypatch: pytest.MonkeyPatch, operation: str, other: Callable[[], Any], *, after: bool = False, skip: int = 0
) -> None:
    """``other()`` runs once, before the next call of ``operation`` (e.g. ``"UpdateItem"``) of any AWS client, or ``after`` it.

    ``skip`` calls of that operation go by first. The calls of ``other`` are not looked at.
    """
    call = vars(BaseClient)["_make_api_call"]
    left = [skip]

    def interleaved(client: Any, name: str, sent: dict[str, Any]) -> Any:
        if name != operation or not left:
            return call(client, name, sent)
        if left[0]:
            left[0] -= 1
            return call(client, name, sent)
        left.clear()
        if not after:
            other()
        answer = call(client, name, sent)
        if after:
            other()
        return answer

    monkeypatch.setattr(BaseClient, "_make_api_call", interleaved)

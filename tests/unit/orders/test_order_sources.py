"""What other services answer to processing."""

import pytest
from order_sources import read_basket

from setpieces import internal
from setpieces.outside import Answer


@pytest.mark.parametrize("status", [400, 404])
def test_an_id_without_a_basket_and_one_that_no_basket_can_have_are_no_basket(
    monkeypatch: pytest.MonkeyPatch, status: int
):
    monkeypatch.setattr(internal, "call", lambda *_, **__: Answer(status, {"code": "REFUSED"}))
    assert read_basket("mine") is None

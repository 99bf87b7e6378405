"""The catalog as deployed and just started, and a commerce platform."""

from collections.abc import Callable

import pytest

from catalog.handlers import list_products, show_product
from catalog.repository import Cache
from setpieces import external
from tests.service import Service
from tests.unit.catalog.platform import Platform


@pytest.fixture
def platform(monkeypatch: pytest.MonkeyPatch) -> Platform:
    platform = Platform()
    monkeypatch.setattr(external, "call", platform.call)
    return platform


@pytest.fixture
def catalog(service: Callable[..., Service], platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Service:
    monkeypatch.setattr(list_products, "CACHE", Cache())
    monkeypatch.setattr(show_product, "CACHE", Cache())
    return service("catalog")

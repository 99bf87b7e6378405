"""The running shop as tests see it: over HTTP, and through the AWS APIs.

The same tests run against the local cloud and against an account: ``SETPIECES_STAGE`` and ``AWS_ENDPOINT_URL`` say which.
In ``make test`` each pytest worker has a shop of its own, see ``tests/run.py``.
"""

import json
import os
import statistics
import threading
from pathlib import Path

import hypothesis
import pytest
from _pytest.nodeid import coerce_node_id
from moto.core.botocore_stubber import BotocoreStubber

SHOPS, WORKER = os.environ.get("SETPIECES_SHOPS"), os.environ.get("PYTEST_XDIST_WORKER")
if SHOPS and WORKER:
    # Before anything reads local.settings; what tests start inherits it.
    os.environ.update(json.loads(Path(SHOPS).read_text())[int(WORKER.removeprefix("gw"))])

from local.settings import ROOT  # noqa: E402
from setpieces import events  # noqa: E402
from tools.client import Shop, eventually  # noqa: E402

# How long an example takes depends on what else the machine does.
hypothesis.settings.register_profile("setpieces", deadline=None)
hypothesis.settings.load_profile("setpieces")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that took longest come first where workers share them, so that no worker ends long after the others."""
    for item in items:
        # Schemathesis gives the tests of all operations one id, and of several with the same id a worker runs one.
        if not item.nodeid.endswith(item.name):
            item._id = coerce_node_id(f"{item.nodeid.rpartition('::')[0]}::{item.name}")
    if len({item.nodeid for item in items}) < len(items):
        raise pytest.UsageError("Several tests have the same id: workers would run one of them.")
    if not SHOPS:
        return
    seconds = json.loads((ROOT / "tests" / "durations.json").read_text())
    usual = statistics.median(seconds.values())
    items.sort(key=lambda item: -seconds.get(str(item.path.relative_to(ROOT)), usual))


@pytest.fixture(scope="session")
def shop() -> Shop:
    return Shop.from_environment()


@pytest.fixture(scope="session")
def products(shop: Shop) -> list[dict]:
    """The seeded products that can be bought, cheapest first; not those of feeds, which other tests change."""

    def listed() -> list[dict]:
        products, token = [], ""
        while True:
            more = f"&page_token={token}" if token else ""
            page = shop.call("GET", f"/catalog/v1/products?query=sp-{more}").json()
            products += page["items"]
            token = page.get("next_page_token")
            if not token:
                return products

    items = eventually(listed)
    return sorted((item for item in items if item["available"]), key=lambda item: (item["unit_price"], item["sku"]))


@pytest.fixture(autouse=True)
def _event_schemas(monkeypatch: pytest.MonkeyPatch):
    """Tests run from the sources: the layer is not built, so the event schemas are where the layer's build takes them from."""
    monkeypatch.setattr(events, "_SCHEMAS", ROOT / "schemas" / "events")


@pytest.fixture(autouse=True)
def _moto_calls_are_atomic(monkeypatch: pytest.MonkeyPatch):
    """One call to moto at a time: its transactions copy and restore tables that other threads write, which AWS's do not."""
    lock, process = threading.RLock(), BotocoreStubber.process_request

    def process_alone(stubber, request):
        with lock:
            return process(stubber, request)

    monkeypatch.setattr(BotocoreStubber, "process_request", process_alone)

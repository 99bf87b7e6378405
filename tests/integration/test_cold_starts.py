"""Many requests at once meet a function that no process runs yet: every one of them gets its answer."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from local.cloud.processes import kill_workers, workers
from tests.integration.two_emulators import PATCHED, Cloud, allow, running
from tools.client import Shop, with_retries

pytestmark = pytest.mark.local_only("it ends processes of functions, and has an emulator of its own")

CLIENTS = 32


@pytest.fixture
def patched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with running(PATCHED, tmp_path_factory.mktemp("patched")) as cloud:
        yield cloud


def test_a_function_that_invokes_itself_gets_a_worker_for_each_link(patched: Cloud):
    """Each link keeps its worker until the next one answered; several chains at once need more than may start at once."""
    code = (
        "import boto3, json, os\n"
        "def handler(event, context):\n"
        "    links = event.get('links', 3)\n"
        "    if not links: return [os.getpid()]\n"
        "    answer = boto3.client('lambda').invoke(\n"
        "        FunctionName=context.function_name, Payload=json.dumps({'links': links - 1}))\n"
        "    return [os.getpid(), *json.load(answer['Payload'])]"
    )
    role = patched.role("lambda", allow("lambda:InvokeFunction"))
    for chain in patched.invoke_at_once(patched.function(code, Timeout=60, Role=role), 2 * (os.cpu_count() or 1)):
        assert len(set(chain)) == 4


def test_every_client_of_a_cold_function_is_answered(shop: Shop):
    """The function reads its products from a simulator, which is a cold function, too."""
    kill_workers()
    with ThreadPoolExecutor(CLIENTS) as clients:
        responses = list(
            clients.map(lambda _: with_retries(lambda: shop.call("GET", "/catalog/v1/products")), range(CLIENTS))
        )
    assert [response.text for response in responses if response.status_code != 200] == []
    started = [name for _, name in workers() if name.endswith("catalog-list-products")]
    assert 0 < len(started) < CLIENTS

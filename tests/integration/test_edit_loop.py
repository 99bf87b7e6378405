"""``make watch``: edits of a copy of the repository in the running shop, and broken ones, which leave it as it was."""

import re

import httpx
import pytest

from local.checkout import Checkout, Watch
from local.settings import FRONT_DOOR, HOST, STOREFRONT_PORT
from local.shop import eventually

NOT_FOUND = f"{FRONT_DOOR}/basket/v1/baskets/00000000-0000-4000-8000-000000000000"
TITLE = '"title": "Not found"'
HANDLER = "functions/basket/show_basket/app.py"
BROKEN = {
    "syntax error in a handler": (HANDLER, lambda text: text + "\ndef broken(:\n", r"app\.py:\d+: SyntaxError"),
    "missing module": (HANDLER, lambda text: "import nowhere\n" + text, r"app\.py:1: ModuleNotFoundError.*nowhere"),
    "missing handler": (HANDLER, lambda text: text.replace("def handler", "def other"), r"basket\.yaml:\d+: AttributeError"),
    "unknown resource type": (
        "templates/basket.yaml",
        lambda text: text.replace("Type: AWS::Logs::LogGroup", "Type: AWS::Logs::LogGruop", 1),
        r"basket\.yaml:\d+: E3006",
    ),
    "unknown property": (
        "templates/basket.yaml",
        lambda text: text.replace("BillingMode:", "BilingMode:", 1),
        r"basket\.yaml:\d+: E3002",
    ),
    "mapping template": (
        "schemas/api/orders.yaml",
        lambda text: text.replace("#end", "#ende", 1),
        r"orders\.yaml:\d+: mapping template does not parse",
    ),
    "state machine": (
        "statemachines/raise-sequence.asl.json",
        lambda text: text.replace('"StartAt": "', '"StartAt": "No', 1),
        r"raise-sequence\.asl\.json:\d+: there is no state",
    ),
    "JSON schema": (
        "schemas/events/voucher.batch.failed.json",
        lambda text: text.replace('"type": "object"', '"type": "objekt"', 1),
        r"failed\.json:\d+: not a JSON schema",
    ),
    "page of the storefront": (
        "storefront/templates/home.html",
        lambda text: text + "{% if %}",
        r"home\.html:\d+: not a Jinja template",
    ),
    "storefront": ("storefront/app/main.py", lambda text: "import nowhere\n" + text, r"main\.py:1: ModuleNotFoundError"),
    "front door": ("local/edge.py", lambda text: "import nowhere\n" + text, r"edge\.py:1: ModuleNotFoundError"),
}  # fmt: skip


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    return Checkout(tmp_path_factory.mktemp("checkout"))


@pytest.fixture(scope="module")
def watch(checkout):
    running = Watch(checkout)
    yield running
    running.stop()


@pytest.fixture
def edit(checkout, watch):
    """Makes an edit, returns what the watch printed; taken back after the test."""

    def make(name, change):
        checkout.edit(name, change)
        return watch.outcome()

    yield make
    checkout.restore()
    watch.outcome()


def seen(url, text):
    return eventually(lambda: text in (response := httpx.get(url, timeout=10)).text + str(response.headers))


def test_a_handler(edit):
    printed = edit(HANDLER, lambda text: text + HEADER)
    assert "ok basket" in printed
    assert seen(NOT_FOUND, "x-edited")


HEADER = """

_unedited = handler


def handler(event, context):
    response = _unedited(event, context)
    response.setdefault("headers", {})["X-Edited"] = "yes"
    return response
"""


def test_a_mapping_template_that_several_templates_include(edit):
    edit("schemas/api/gateway-responses.yaml", lambda text: text.replace(TITLE, '"title": "Edited"'))
    assert seen(f"{FRONT_DOOR}/catalog/v1/nothing", "Edited")


def test_a_page_of_the_storefront(edit):
    edit("storefront/templates/home.html", lambda text: text + "<!-- edited -->")
    assert seen(f"http://{HOST}:{STOREFRONT_PORT}/", "<!-- edited -->")


def test_a_module_of_the_front_door_that_only_another_imports(edit):
    assert "ok front-door" in edit("local/edge.py", lambda text: text + "\n# edited\n")


@pytest.mark.parametrize("kind", BROKEN)
def test_what_is_broken_is_named_and_not_deployed(kind, edit, watch):
    name, change, reason = BROKEN[kind]
    before = httpx.get(NOT_FOUND, timeout=10).json()["title"]
    printed = edit(name, change)
    assert "not deployed" in printed
    assert re.search(reason, printed), printed
    assert httpx.get(NOT_FOUND, timeout=10).json()["title"] == before
    assert watch.running()

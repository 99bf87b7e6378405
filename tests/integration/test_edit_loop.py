"""Edits of a copy of the repository, in a shop of its own: brought in by ``make watch``, or refused with place and reason."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest

from local.cloud.checkout import Checkout, Watch
from local.settings import HOST
from tests.integration.other_cloud import Other, other_cloud
from tools.client import eventually

pytestmark = [pytest.mark.timeout(900), pytest.mark.local_only("it edits the sources of a local cloud of its own")]
NO_BASKET = "/basket/v1/baskets/00000000-0000-4000-8000-000000000000"
KEPT = "/basket/v1/baskets/kept-over-an-update-of-the-shop"
BLOCK = "{% block main %}"
TITLE = '"title": "Not found"'
HANDLER = "functions/basket/basket/handlers/show_basket.py"
BROKEN = {
    "syntax error in a handler": (HANDLER, lambda text: text + "\ndef broken(:\n", r"show_basket\.py:\d+: SyntaxError"),
    "missing module": (
        "functions/basket/basket/handlers/add_item.py",
        lambda text: "import nowhere\n" + text,
        r"handlers/add_item\.py:1: ModuleNotFoundError.*nowhere",
    ),
    "missing handler": (
        "functions/basket/basket/handlers/remove_item.py",
        lambda text: text.replace("def handler", "def other"),
        r"basket\.yaml:\d+: AttributeError",
    ),
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
        lambda text: text.replace("#end", "", 1),
        r"orders\.yaml:\d+: mapping template does not parse",
    ),
    "API document": (
        "schemas/api/basket.yaml",
        lambda text: text.replace("      responses:", "      answers:", 1),
        r'basket\.yaml:\d+: not OpenAPI 3\.0: .*"responses" is a required property',
    ),
    "not YAML": (
        "templates/basket.yaml",
        lambda text: text.replace("Resources:", "Resources: [", 1),
        r"basket\.yaml:\d+: not YAML",
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
    "storefront": (
        "storefront/app/main.py",
        lambda text: "import nowhere\n" + text,
        r"main\.py:1: ModuleNotFoundError",
    ),
    "front door": (
        "local/front_door/cdn.py",
        lambda text: text + "\nimport nowhere\n",
        r"cdn\.py:\d+: ModuleNotFoundError",
    ),
}
# Found before anything else is looked at, or by a step after the deployment: one at a time. All others are named together.
BY_THEMSELVES = ("not YAML", "page of the storefront", "storefront", "front door")
TOGETHER = tuple(kind for kind in BROKEN if kind not in BY_THEMSELVES)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Other]:
    with other_cloud(tmp_path_factory.mktemp("edited")) as cloud:
        cloud.start()
        yield cloud


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    return Checkout(tmp_path_factory.mktemp("checkout"))


@pytest.fixture(scope="module")
def watch(checkout: Checkout, other: Other) -> Iterator[Watch]:
    running = Watch(checkout, other.environment)
    yield running
    running.stop()


@pytest.fixture
def edit(checkout: Checkout, watch: Watch):
    """Makes an edit, returns what the watch printed; taken back after the test."""

    def make(name: str, change) -> str:
        checkout.edit(name, change)
        return watch.outcome()

    yield make
    checkout.restore()
    watch.outcome()


def front_door(other: Other, path: str) -> str:
    """Headers and body of the answer to a GET."""
    response = other.shop.call("GET", path)
    return f"{response.headers} {response.text}"


def page(other: Other, path: str) -> str:
    return httpx.get(f"http://{HOST}:{other.ports['SETPIECES_STOREFRONT_PORT']}{path}", timeout=10).text


def make_start(checkout: Checkout, other: Other) -> tuple[int, str]:
    """Exit code of ``make start`` and what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "tools.cli", "start"],
        cwd=checkout.root,
        env={**os.environ, **other.environment, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("kinds", [TOGETHER, *((kind,) for kind in BY_THEMSELVES)], ids=", ".join)
def test_make_start_reports_errors_and_deploys_nothing(kinds, checkout: Checkout, other: Other):
    """Before the first test with ``watch``, which would bring in the same edits."""
    before = other.shop.call("GET", NO_BASKET).json()["title"]
    for name, change, _ in (BROKEN[kind] for kind in kinds):
        checkout.edit(name, change)
    try:
        code, printed = make_start(checkout, other)
    finally:
        checkout.restore()
    assert code == 1
    missed = [kind for kind in kinds if not re.search(BROKEN[kind][2], printed)]
    assert missed == [], printed
    assert other.shop.call("GET", NO_BASKET).json()["title"] == before
    assert "Set Pieces" in page(other, "/")


HEADER = """

_unedited = handler


def handler(event, context):
    response = _unedited(event, context)
    response.setdefault("headers", {})["X-Edited"] = "yes"
    return response
"""


def test_a_handler_and_no_other_stack(edit, other: Other):
    other.shop.call("POST", f"{KEPT}/items", json={"sku": "SP-10001", "quantity": 1}).raise_for_status()
    printed = edit(HANDLER, lambda text: text + HEADER)
    assert re.search(r"ok basket \d", printed)
    assert eventually(lambda: "x-edited" in front_door(other, NO_BASKET))
    assert "SP-10001" in front_door(other, KEPT)


def test_a_common_module(edit, other: Other):
    changed = LAYER.replace("handler", "rest_handler")
    edit("functions/common/setpieces/rest_api.py", lambda text: text + changed)
    assert eventually(lambda: "x-edited" in front_door(other, NO_BASKET))


LAYER = """

_unedited = handler


def handler(function):
    inner = _unedited(function)

    def edited(event, context):
        response = inner(event, context)
        response.setdefault("headers", {})["X-Edited"] = "yes"
        return response

    return edited
"""


def test_a_mapping_template_that_several_templates_include(edit, other: Other):
    edit("schemas/api/gateway-responses/unknown-path.yaml", lambda text: text.replace(TITLE, '"title": "Edited"'))
    assert eventually(lambda: "Edited" in front_door(other, "/catalog/v1/nothing"))


def test_a_page_of_the_storefront(edit, other: Other):
    edit("storefront/templates/home.html", lambda text: text.replace(BLOCK, BLOCK + "<!-- edited -->"))
    assert eventually(lambda: "<!-- edited -->" in page(other, "/"))


def test_a_module_of_the_front_door_that_only_another_imports(edit):
    assert "ok front-door" in edit("local/front_door/cdn.py", lambda text: text + "\n# edited\n")


@pytest.mark.parametrize("kind", BROKEN)
def test_an_error_is_reported_and_not_deployed(kind, edit, watch: Watch, other: Other):
    name, change, reason = BROKEN[kind]
    before = other.shop.call("GET", NO_BASKET).json()["title"]
    printed = edit(name, change)
    assert "not deployed" in printed
    assert re.search(reason, printed), printed
    assert other.shop.call("GET", NO_BASKET).json()["title"] == before
    assert "Set Pieces" in page(other, "/")
    assert watch.running()

"""Names in the documentation exist: published parameters, resources of a stage, metrics, ports and versions of Python."""

import re
import tomllib
from pathlib import Path

import pytest

from model.settings import ROOT, STAGE
from model.templates import iter_resources, pieces
from tests.contract.pages import PAGES

PUBLISHED = {
    str(parameter["Name"]).removeprefix(f"/setpieces/{STAGE}/")
    for _, _, parameter in iter_resources("AWS::SSM::Parameter")
}
NAMES = {
    value.removeprefix(f"setpieces-{STAGE}-")
    for piece in pieces().values()
    for resource in piece.resources.values()
    for key, value in resource["Properties"].items()
    if key.endswith("Name") and isinstance(value, str) and value.startswith(f"setpieces-{STAGE}-")
}
# `catalog/api-url`, `/setpieces/<stage>/catalog/api-url`
PARAMETER = re.compile(rf"`(?:/setpieces/[<>\w-]+/)?((?:{'|'.join(pieces())})/[a-z0-9-]+)`")
# setpieces-<stage>-orders-stuck, and not the beginning of a name: setpieces-<stage>-orders-*
RESOURCE = re.compile(r"setpieces-<stage>-([a-z0-9-]+[a-z0-9](?:\.fifo)?)(?![\w-]*(?:[<{*]|\.\.))")
# Not a resource of the templates: the page has the command that creates it.
BY_HAND = {"cdn"}
# A name that the code composes, as "Payment" with the outcome.
COMPOSED = re.compile(r'name=f"([A-Z]\w+)\{')
METRIC = re.compile(r'(?:\bcount\(|name=|single_metric\(\s*)"([A-Z]\w+)"')


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_named_parameters_are_published(page: Path):
    assert set(PARAMETER.findall(page.read_text())) <= PUBLISHED


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_named_resources_exist(page: Path):
    assert set(RESOURCE.findall(page.read_text())) <= NAMES | BY_HAND


def test_names_are_found_in_pages():
    pages = {page.stem: page.read_text() for page in PAGES}
    assert "catalog/api-url" in PARAMETER.findall(pages["catalog"])
    assert "orders-rejected" in RESOURCE.findall(pages["redrive-orders"])


def test_python_versions_are_those_of_the_functions_and_of_the_tools():
    runtimes = {function["Runtime"] for _, _, function in iter_resources("AWS::Lambda::Function")}
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"].removeprefix(">=")
    versions = {runtime.removeprefix("python") for runtime in runtimes} | {tools}
    for page in PAGES:
        # A measurement names the version with which it was made, the upgrade guide the next one.
        if page.stem not in ("bench", "python-upgrade"):
            assert set(re.findall(r"[Pp]ython ?(3\.\d+)", page.read_text())) <= versions, page


def test_local_urls_have_the_default_port():
    (port,) = re.findall(r'"SETPIECES_FRONT_DOOR_PORT", "(\d+)"', (ROOT / "local" / "settings.py").read_text())
    # The gateway package runs against any endpoint.
    for page in set(PAGES) - set((ROOT / "packages").rglob("*.md")):
        assert set(re.findall(r"127\.0\.0\.1:(\d+)", page.read_text())) <= {port}, page


def test_the_table_of_metrics_is_complete():
    code = "\n".join(path.read_text() for path in (ROOT / "functions").rglob("*.py"))
    section = (
        (ROOT / "docs" / "set-pieces" / "foundation.md").read_text().partition("## Metrics")[2].partition("\n## ")[0]
    )
    documented = set(re.findall(r"`([A-Z]\w+)`", section)) - {"SetPieces"}
    composed = tuple(COMPOSED.findall(code))
    names = set(METRIC.findall(code))
    assert names <= documented
    assert all(any(name.startswith(prefix) for name in documented) for prefix in composed)
    assert all(name in code or name.startswith(composed) for name in documented)

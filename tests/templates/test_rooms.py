"""A service has the same name in every folder, and every folder belongs to a service."""

from pathlib import Path

import pytest

from model.settings import ROOT
from model.templates import Piece, pieces

# Entries shared by services.
SHARED = {
    "functions": {"common"},
    "events": {"bus"},
    "schemas/api": {"gateway-responses"},
    "templates": {"modules"},
    "tests/unit": {
        "bench",
        "cloud",
        "common",
        "conftest",
        "deployment",
        "emulator",
        "front_door",
        "local",
        "model",
        "pages",
        "storefront",
        "tools",
    }
    | {"quick_dynamodb", "storefront_app", "storefront_shop"},
}
SERVICES = [pytest.param(piece, id=service) for service, piece in pieces().items() if service != "shop"]


def rooms(folder: str) -> set[str]:
    entries = (ROOT / folder).iterdir()
    names = {entry.stem for entry in entries if not entry.name.startswith(("__", ".")) and has_files(entry)}
    return names - SHARED.get(folder, set())


def has_files(entry: Path) -> bool:
    """False for a folder of which only Python's caches are left: git removes no ignored files."""
    return entry.is_file() or any(path.is_file() and path.suffix != ".pyc" for path in entry.rglob("*"))


def test_a_template_is_named_after_its_service():
    assert rooms("templates") == set(pieces())


@pytest.mark.parametrize("piece", SERVICES)
def test_a_service_has_every_required_folder_and_file(piece: Piece):
    needed = {"docs/set-pieces"}
    if piece.of_type("AWS::Lambda::Function"):
        needed.add("events")
    if piece.apis:
        needed.add("schemas/api")
    assert [room for room in sorted(needed) if piece.service not in rooms(room)] == []


@pytest.mark.parametrize("room", ["docs/set-pieces", "events", "schemas/api"])
def test_every_folder_belongs_to_a_service(room: str):
    assert rooms(room) <= set(pieces())


@pytest.mark.parametrize("room", ["functions", "tests/unit"])
def test_code_and_its_tests_are_in_folders_of_the_services(room: str):
    """A service may have several templates: ``feeds`` and ``feed-pipeline`` share their code."""
    assert rooms(room) == {file.relative_to(ROOT / "functions").parts[0] for file in handlers()}


def handlers() -> set[Path]:
    return {file for piece in pieces().values() for file in piece.handlers.values()}


def test_every_handler_is_deployed():
    assert set((ROOT / "functions").glob("*/*/handlers/[!_]*.py")) == handlers()


def test_the_shop_nests_every_service():
    nested = {
        resource["Properties"]["Location"].removesuffix(".yaml")
        for resource in pieces()["shop"].source["Resources"].values()
    }
    # An administrator deploys delivery, once, before the first shop.
    assert nested == set(pieces()) - {"shop", "delivery"}

"""Integration tests without the mark ``local_only`` use nothing that only a local cloud has.

Their role limits the calls of AWS, and ``tests/integration/conftest.py`` refuses requests to the emulator's own routes.
"""

import ast
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

from model.settings import ROOT

FILES = sorted((ROOT / "tests" / "integration").glob("test_*.py"))
# Modules about processes, ports, files and secrets of a local cloud, and such names in other modules.
MODULES = {
    *(
        "local.cloud.clone",
        "local.emulator_client",
        "local.cloud.processes",
        "local.cloud.published_addresses",
        "local.cloud.start",
        "local.storefront.container",
    ),
    *("ministack", "tests.integration.other_cloud", "tests.integration.two_emulators"),
}
NAMES = {
    "tools.accounts": {"mailed_token", "newest_token", "sign_up"},
    "local.credentials": {"root_secret", "TOKEN_HEADER"},
    "local.mailbox": {"outbox"},
    "local.settings": {"AWS_ENDPOINT", "AWS_PORT", "FRONT_DOOR", "HOST", "SAM", "STACK", "aws_environment"},
    # It passes a role of the shop to a schedule, which the role of the tests may not.
    "tests.integration.schedules": {"fired_now"},
}
ATTRIBUTES = {"emulator", "endpoint", "front_door"}


@dataclass(frozen=True)
class Module:
    path: Path

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.path.read_text())

    @cached_property
    def definitions(self) -> dict[str, ast.AST]:
        return {node.name: node for node in self.tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}

    @cached_property
    def local_names(self) -> set[str]:
        """Imported names that only a local cloud has."""
        imported = set()
        for node in self.tree.body:
            if isinstance(node, ast.ImportFrom) and node.module:
                wholly = node.module in MODULES or node.module.partition(".")[0] in MODULES
                names = {alias.asname or alias.name for alias in node.names}
                submodules = {alias.name for alias in node.names if f"{node.module}.{alias.name}" in MODULES}
                imported |= names if wholly else submodules | (names & NAMES.get(node.module, set()))
        return imported

    @cached_property
    def marked(self) -> bool:
        return any(isinstance(node, ast.Assign) and is_local(node) for node in self.tree.body)

    def uses(self, name: str, visited: set[str]) -> set[str]:
        """The local names that a definition uses, also through the definitions and fixtures that it uses."""
        visited.add(name)
        used_names = set()
        for node in ast.walk(self.definitions[name]):
            used = node.id if isinstance(node, ast.Name) else node.arg if isinstance(node, ast.arg) else ""
            if used in self.local_names:
                used_names.add(used)
            elif isinstance(node, ast.Attribute) and node.attr in ATTRIBUTES:
                used_names.add(f".{node.attr}")
            elif used in self.definitions and used not in visited:
                used_names |= self.uses(used, visited)
        return used_names


def is_local(node: ast.AST) -> bool:
    return any(isinstance(one, ast.Attribute) and one.attr == "local_only" for one in ast.walk(node))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_tests_for_every_stage_use_no_local_names(path: Path):
    module = Module(path)
    if module.marked:
        return
    for name, node in module.definitions.items():
        if name.startswith("test_") and not any(map(is_local, getattr(node, "decorator_list", []))):
            assert module.uses(name, set()) == set(), f"{name}: mark it local_only, with the reason"


def test_most_tests_run_on_a_stage():
    """Marks take tests away from the stages."""
    tests = [
        (module, node)
        for module in map(Module, FILES)
        for name, node in module.definitions.items()
        if name.startswith("test_")
    ]
    on_a_stage = [
        node
        for module, node in tests
        if not module.marked and not any(map(is_local, getattr(node, "decorator_list", [])))
    ]
    assert len(on_a_stage) > len(tests) / 2

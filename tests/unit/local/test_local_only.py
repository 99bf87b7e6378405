"""The integration tests that run on a deployed stage use nothing that only this machine has.

What they may call of AWS, the role of the tests says; tests/integration/conftest.py stops who asks routes of the emulator.
"""

import ast
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

from local.settings import ROOT

FILES = sorted((ROOT / "tests" / "integration").glob("test_*.py"))
# Modules about processes, ports, files and secrets of a local cloud; of a module that has more, the names that are about them.
MODULES = {
    *("local.clone", "local.emulator_client", "local.processes", "local.publish", "local.start", "local.storefront"),
    *("ministack", "tests.integration.other_cloud", "tests.integration.two_emulators"),
}
NAMES = {
    "local.credentials": {"root_secret", "TOKEN_HEADER"},
    "local.mail": {"outbox"},
    "local.settings": {"AWS_ENDPOINT", "AWS_PORT", "FRONT_DOOR", "HOST", "SAM", "STACK", "aws_environment"},
    # They pass on a role of the shop, which the role of the tests must not.
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
    def of_this_machine(self) -> set[str]:
        """Names that are imported from where a stage has nothing."""
        found = set()
        for node in self.tree.body:
            if isinstance(node, ast.ImportFrom) and node.module:
                wholly = node.module in MODULES or node.module.partition(".")[0] in MODULES
                names = {alias.asname or alias.name for alias in node.names}
                submodules = {alias.name for alias in node.names if f"{node.module}.{alias.name}" in MODULES}
                found |= names if wholly else submodules | (names & NAMES.get(node.module, set()))
        return found

    @cached_property
    def marked(self) -> bool:
        return any(isinstance(node, ast.Assign) and is_local(node) for node in self.tree.body)

    def uses(self, name: str, seen: set[str]) -> set[str]:
        """What the definition uses of this machine, by whatever it calls and whichever fixtures it takes."""
        seen.add(name)
        found = set()
        for node in ast.walk(self.definitions[name]):
            used = node.id if isinstance(node, ast.Name) else node.arg if isinstance(node, ast.arg) else ""
            if used in self.of_this_machine:
                found.add(used)
            elif isinstance(node, ast.Attribute) and node.attr in ATTRIBUTES:
                found.add(f".{node.attr}")
            elif used in self.definitions and used not in seen:
                found |= self.uses(used, seen)
        return found


def is_local(node: ast.AST) -> bool:
    return any(isinstance(one, ast.Attribute) and one.attr == "local_only" for one in ast.walk(node))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_runs_on_a_stage_uses_nothing_of_this_machine(path: Path):
    module = Module(path)
    if module.marked:
        return
    for name, node in module.definitions.items():
        if name.startswith("test_") and not any(map(is_local, getattr(node, "decorator_list", []))):
            assert module.uses(name, set()) == set(), f"{name}: mark it local_only, and say why"


def test_most_tests_run_on_a_stage():
    """A mark is easily set, and would take a test away from the stages."""
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

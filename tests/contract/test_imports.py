"""Every service is a package that tools find, and what is pure needs neither an AWS SDK nor Powertools.

Which packages may import which others is checked by import-linter (``[tool.importlinter]`` in pyproject.toml, ``make lint``).
"""

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from model.settings import ROOT

FUNCTIONS = ROOT / "functions"
SETTINGS: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
(TYPED,) = (each for each in SETTINGS["mypy"]["overrides"] if each.get("disallow_untyped_defs"))
CONTRACTS = {contract["name"]: contract for contract in SETTINGS["importlinter"]["contracts"]}
# A folder with packages in it: functions/basket holds the package basket.
FOLDERS = sorted({str(file.parents[1].relative_to(ROOT)) for file in FUNCTIONS.glob("*/*/__init__.py")})
PACKAGES = {file.parent.name for file in FUNCTIONS.glob("*/*/__init__.py")}
SERVICES = PACKAGES - {"setpieces"}
IMPURE = ("boto3", "botocore", "aws_lambda_powertools")
PURE = re.compile(r"\bpure\b", re.IGNORECASE)
# One interpreter that has loaded nothing, and a fork of it for each module; prints {module: AWS libraries that it loads}.
LOADED_BY = """
import importlib, json, multiprocessing, sys

def loaded_by(module):
    importlib.import_module(module)
    return [library for library in IMPURE if library in sys.modules]

IMPURE, MODULES = json.loads(sys.argv[1])
with multiprocessing.get_context("fork").Pool(2, maxtasksperchild=1) as pool:
    print(json.dumps(dict(zip(MODULES, pool.map(loaded_by, MODULES, chunksize=1)))))
"""


def module_name(file: Path) -> str:
    return ".".join(file.relative_to(FUNCTIONS).with_suffix("").parts[1:]).removesuffix(".__init__")


def is_pure(file: Path) -> bool:
    """Whether a module belongs to a domain, or says of itself that it is pure."""
    package, _, *rest = file.relative_to(FUNCTIONS).with_suffix("").parts
    in_domain = package != "common" and rest[:1] == ["domain"]
    return in_domain or bool(PURE.search(ast.get_docstring(ast.parse(file.read_text())) or ""))


PURE_MODULES = sorted(module_name(file) for file in FUNCTIONS.glob("*/*/**/*.py") if is_pure(file))


@pytest.mark.parametrize(
    "paths",
    [
        pytest.param(SETTINGS["mypy"]["mypy_path"], id="mypy"),
        pytest.param(SETTINGS["pytest"]["ini_options"]["pythonpath"], id="pytest"),
    ],
)
def test_the_package_of_every_service_is_found(paths: list[str]):
    assert sorted(path for path in paths if path.startswith("functions/")) == FOLDERS


@pytest.mark.parametrize(
    "packages",
    [
        pytest.param([module.removesuffix(".*") for module in TYPED["module"]], id="mypy"),
        pytest.param(SETTINGS["importlinter"]["root_packages"], id="import-linter"),
    ],
)
def test_every_service_is_known(packages: list[str]):
    assert set(packages) >= PACKAGES


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=CONTRACTS)
def test_a_contract_that_names_a_service_names_all(contract: dict[str, Any]):
    for names in contract.values():
        if isinstance(names, list) and SERVICES & set(names):
            assert set(names) >= SERVICES


@pytest.fixture(scope="module")
def loaded_libraries() -> dict[str, list[str]]:
    """The AWS libraries that each module loads in an interpreter that has loaded nothing before."""
    arguments = json.dumps([IMPURE, PURE_MODULES])
    environment = {"PYTHONPATH": os.pathsep.join(str(ROOT / folder) for folder in FOLDERS)}
    command = [sys.executable, "-c", LOADED_BY, arguments]
    libraries: dict[str, list[str]] = json.loads(subprocess.check_output(command, env=environment))
    return libraries


@pytest.mark.parametrize("module", PURE_MODULES)
def test_a_pure_module_loads_no_aws_library(loaded_libraries: dict[str, list[str]], module: str):
    assert loaded_libraries[module] == []

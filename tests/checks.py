"""What ``tests.run`` runs: the checks that need no shop, and the kinds of tests of the shop."""

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from model.settings import ROOT

LOGS = ROOT / ".local" / "checks"

PYTHON = (sys.executable, "-m")
VENV, POLICY, SAM = (f".venv{name}/.installed" for name in ("", "-policy", "-sam"))
TEMPLATES = tuple(str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("templates/*.yaml")))
# Where the packages of the services and of the layer are found.
SERVICES = os.pathsep.join(map(str, sorted((*ROOT.glob("functions/*"), *ROOT.glob("packages/*/src")))))
WORKFLOWS = tuple(str(path.relative_to(ROOT)) for path in sorted(ROOT.glob(".github/workflows/*.yml")))


@dataclass(frozen=True)
class Check:
    """A command that exits with 0 if what it checks is right. ``needs`` are targets of the Makefile that install it."""

    name: str
    kind: str
    command: tuple[str, ...]
    needs: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def log(self) -> Path:
        return LOGS / f"{self.name}.log"

    @property
    def junit(self) -> Path:
        return LOGS / f"{self.name}.xml"


def pytest(name: str, *arguments: str, **settings: Any) -> Check:
    """Tests whose results, by test, are in ``Check.junit``."""
    command = (*PYTHON, "pytest", "--junitxml", str(LOGS / f"{name}.xml"), *arguments)
    return Check(name, name, command, **settings)


CHECKS = (
    Check("ruff", "lint", (".venv/bin/ruff", "check", ".")),
    Check("ruff-format", "lint", (".venv/bin/ruff", "format", "--check", ".")),
    Check("mypy", "lint", (".venv/bin/mypy",)),
    Check(
        "import-linter",
        "lint",
        (".venv/bin/lint-imports", "--no-cache", "--no-logo"),
        environment={"PYTHONPATH": SERVICES},
    ),
    Check("cfn-lint", "lint", (".venv/bin/cfn-lint", *TEMPLATES)),
    Check("checkov", "lint", (*PYTHON, "tests.checkov_templates"), (POLICY,)),
    Check(
        "check-jsonschema",
        "lint",
        (".venv-policy/bin/check-jsonschema", "--builtin-schema", "vendor.github-workflows", *WORKFLOWS),
        (POLICY,),
    ),
    Check(
        "parity-schema",
        "lint",
        (".venv-policy/bin/check-jsonschema", "--schemafile", "pages/parity.schema.json", "pages/parity.yaml"),
        (POLICY,),
    ),
    # Tests of the command line run make, and one of linters runs SAM's.
    pytest("unit", "--numprocesses", "auto", "tests/unit", "packages/apigw-executor/tests", needs=(POLICY, SAM)),
    pytest("interleavings", "--numprocesses", "auto", "tests/interleavings"),
    pytest("templates", "tests/templates"),
    pytest("contract", "tests/contract", needs=(SAM,)),
    # Needs Java 17 and Node.js; what it installs is below .local.
    pytest("second-opinion", "tests/second_opinion"),
    # Installs from PyPI.
    pytest("packages", "tests/packages"),
)
SHOP_KINDS = ("integration", "abuse", "browser", "resilience")
IAM_REPORT = "iam-report"
KINDS = (*dict.fromkeys(check.kind for check in CHECKS), *SHOP_KINDS, IAM_REPORT)

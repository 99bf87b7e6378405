"""What functions import from an edited module of the layer."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.deployment import handlers
from local.deployment.handlers import Importer


@pytest.fixture
def importer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Importer]:
    """An importer whose layer is package ``common`` with the name ``present`` and the module ``inner``."""
    package = tmp_path / "common"
    package.mkdir()
    (package / "__init__.py").write_text("present = 1\n")
    (package / "inner.py").write_text("deep = 1\n")
    monkeypatch.setattr(handlers, "LAMBDA_PYTHON", sys.executable)
    importer = Importer([str(tmp_path)])
    yield importer
    importer.close()


@pytest.mark.parametrize(
    ("module", "names", "reasons"),
    [
        ("common", ["present"], []),
        ("common", ["inner"], []),  # a module that the package itself does not import
        ("common", ["present", "absent"], ["ImportError: common has no absent"]),
        ("common.inner", ["deep"], []),
        ("common.inner", [], []),
        ("common.inner", ["absent"], ["ImportError: common.inner has no absent"]),
    ],
)
def test_names_that_functions_import(importer: Importer, module: str, names: list[str], reasons: list[str]):
    use = {"file": "functions/basket/basket/clients.py", "line": 6, "module": module, "names": names, "environment": {}}
    assert [finding.reason for finding in importer.findings([], [use])] == reasons

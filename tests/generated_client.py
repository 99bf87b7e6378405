"""The Python client that openapi-python-client makes of ``docs/api/openapi.json``, as a shop's partner would."""

import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

from pages.openapi import FILE

PACKAGE = "shop_client"
# The formatter of generated code is not needed.
CONFIG: dict[str, list[str]] = {"post_hooks": []}


def generate(folder: Path) -> ModuleType:
    """The package, generated into ``folder``. Raises ``AssertionError`` with all that the generator leaves out or guesses."""
    (folder / "config.json").write_text(json.dumps(CONFIG))
    command = (sys.executable, "-m", "openapi_python_client", "generate", "--fail-on-warning", "--meta", "none")
    paths = ("--path", str(FILE), "--output-path", str(folder / PACKAGE), "--config", str(folder / "config.json"))
    done = subprocess.run((*command, *paths), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    sys.path.insert(0, str(folder))
    return importlib.import_module(PACKAGE)

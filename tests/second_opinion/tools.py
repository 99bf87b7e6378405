"""Programs that give a second opinion, installed when a test first needs them: pinned, below ``.local``, never committed."""

import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

from local.settings import ROOT

FOLDER = ROOT / ".local" / "second-opinion"


def program(name: str, advice: str) -> str:
    """The path of a program on this machine. Raises ``RuntimeError`` with ``advice`` if there is none."""
    found = shutil.which(name)
    if not found:
        raise RuntimeError(f"There is no {name} on this machine, which second opinions need. {advice}")
    return found


@cache
def npm(package: str) -> Path:
    """The ``node_modules`` of an npm package, named with its exact version. Raises ``RuntimeError`` if it cannot be had."""
    program("node", "Install Node.js 20 or newer.")
    folder = FOLDER / re.sub(r"\W", "-", package)
    done = folder / "installed"
    if not done.exists():
        folder.mkdir(parents=True, exist_ok=True)
        options = ("--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel", "error")
        command = (program("npm", "Install npm."), "install", "--prefix", str(folder), *options, package)
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode:
            raise RuntimeError(f"npm could not install {package}: {result.stderr.strip()[-500:]}")
        done.touch()
    return folder / "node_modules"

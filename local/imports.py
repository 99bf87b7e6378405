"""Which files of ``local`` a process runs: its module and all that this imports, directly or not."""

from functools import cache
from pathlib import Path

import grimp

from local.settings import ROOT, STATE


@cache
def _graph() -> grimp.ImportGraph:
    # Unchanged files are not parsed again.
    return grimp.build_graph("local", cache_dir=str(STATE / "imports"))


def forget() -> None:
    """Read the files again at the next question."""
    _graph.cache_clear()


def code(module: str) -> list[Path]:
    """The files of ``module`` and of the modules of this repository that it imports, sorted.

    A package within ``local`` counts as a whole: it may run files of its own that it does not import.
    """
    modules = {module, *_graph().find_upstream_modules(module)}
    files = {ROOT / "local" / "__init__.py"}
    for name in modules:
        path = ROOT.joinpath(*name.split("."))
        in_package = path.is_dir() or path.parent != ROOT / "local"
        folder = path if path.is_dir() else path.parent
        files |= set(folder.glob("*.py")) if in_package and name != "local" else {path.with_suffix(".py")}
    return sorted(filter(Path.exists, files))

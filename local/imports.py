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
    """The files of ``module`` and of the modules of this repository that it imports, sorted; also of their packages."""
    modules = {module, *_graph().find_upstream_modules(module)}
    packages = {name.rsplit(".", depth)[0] for name in modules for depth in range(1, name.count(".") + 1)}
    return sorted(filter(Path.exists, (file for name in modules | packages for file in _files(name))))


def _files(module: str) -> tuple[Path, Path]:
    path = ROOT.joinpath(*module.split("."))
    return path.with_suffix(".py"), path / "__init__.py"

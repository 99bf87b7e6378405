"""Which files of ``local`` a process runs: its module and all that this imports, directly or not."""

from functools import lru_cache
from pathlib import Path

import grimp.exceptions

from local.findings import Finding, Rejected
from local.settings import ROOT, STATE

Versions = frozenset[tuple[Path, int]]


def _versions() -> Versions:
    """Every file of ``local`` with the time of its last change."""
    return frozenset((file, file.stat().st_mtime_ns) for file in (ROOT / "local").rglob("*.py"))


@lru_cache(maxsize=1)
def _graph(_: Versions) -> grimp.ImportGraph:
    try:
        # Unchanged files are not parsed again.
        return grimp.build_graph("local", cache_dir=str(STATE / "imports"))
    except grimp.exceptions.SourceSyntaxError as error:
        raise Rejected([Finding(Path(error.filename), error.lineno or 0, f"SyntaxError: {error.text}")]) from None


def code(module: str) -> list[Path]:
    """The files of ``module`` and of the modules of this repository that it imports, sorted. Raises ``Rejected``.

    A package within ``local`` counts as a whole: it may run files of its own that it does not import.
    """
    modules = {module, *_graph(_versions()).find_upstream_modules(module)}
    files = {ROOT / "local" / "__init__.py"}
    for name in modules:
        path = ROOT.joinpath(*name.split("."))
        in_package = path.is_dir() or path.parent != ROOT / "local"
        folder = path if path.is_dir() else path.parent
        files |= set(folder.glob("*.py")) if in_package and name != "local" else {path.with_suffix(".py")}
    return sorted(filter(Path.exists, files))

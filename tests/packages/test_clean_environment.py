"""The packages, built and installed as a stranger installs them, outside the repository."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from model.settings import ROOT

PACKAGE = ROOT / "packages" / "apigw-executor"
# Constraints: the versions and hashes of the lock hold for all that is installed.
LOCK = ROOT / "requirements-dev.txt"


def test_the_wheel_of_the_gateway_passes_its_tests_in_a_clean_environment(tmp_path: Path) -> None:
    """The lock pins uv, which is also the build backend: nothing is built with a version of today."""
    _uv("build", "--quiet", "--wheel", "--out-dir", str(tmp_path), str(PACKAGE))
    (wheel,) = tmp_path.glob("*.whl")
    python = tmp_path / "venv" / "bin" / "python"
    _uv("venv", "--quiet", "--python", sys.executable, str(tmp_path / "venv"))
    _uv("pip", "install", "--quiet", "--python", str(python), "--constraint", str(LOCK), f"{wheel}[test]")

    outside = tmp_path / "outside"
    outside.mkdir()
    for name in ("examples", "tests"):
        shutil.copytree(PACKAGE / name, outside / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("README.md", "pyproject.toml"):
        shutil.copy(PACKAGE / name, outside)
    location = _run(outside, str(python), "-c", "import apigw_executor; print(apigw_executor.__file__)")
    assert Path(location.strip()).is_relative_to(tmp_path / "venv")
    report = _run(outside, str(python), "-m", "pytest", "-q", "tests")
    assert " passed in " in report
    assert " skipped" not in report


def _uv(*arguments: str) -> None:
    """uv with the developer's settings of proxies and indexes."""
    _run(ROOT, sys.executable, "-m", "uv", *arguments, environment=dict(os.environ))


def _run(folder: Path, *command: str, environment: dict[str, str] | None = None) -> str:
    """The output of a command that succeeds, by default without the developer's environment."""
    environment = environment or {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    done = subprocess.run(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}"
    return done.stdout

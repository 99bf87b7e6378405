"""Independent implementations, installed at test time: pinned, in ``.local/second-opinion``, without root.

They are tools, not requirements: nothing of them is in the repository. Each is fetched once, by the machine's own package
manager, from wherever that one is set up to look. A tool that cannot be had is an error that says what to install: a
skipped comparison is not a passed test.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from model.settings import ROOT

TOOLS = ROOT / ".local" / "second-opinion"
# What Apache Velocity and Jayway JsonPath need to run: Debian's and Ubuntu's packages, and the jars in them.
VELOCITY = {
    "velocity": ("velocity",),
    "libcommons-collections3-java": ("commons-collections3",),
    "libcommons-lang-java": ("commons-lang",),
    "libjsonpath-java": ("json-path",),
    "libjson-smart-java": ("json-smart", "accessors-smart"),
    "libasm-java": ("asm",),
    "libslf4j-java": ("slf4j-api", "slf4j-nop"),
    "libjackson2-core-java": ("jackson-core",),
    "libjackson2-annotations-java": ("jackson-annotations",),
    "libjackson2-databind-java": ("jackson-databind",),
}


class Missing(Exception):
    """A program or package is missing; the message names what to install."""


def program(name: str, advice: str) -> str:
    """The path of a program of this machine."""
    path = shutil.which(name)
    if not path:
        raise Missing(f"test-second-opinion needs {name}: {advice}")
    return path


def java() -> str:
    return program("java", "install Java 17 or newer, for example: apt-get install openjdk-17-jdk-headless")


def node() -> str:
    return program("node", "install Node 20 or newer, for example: apt-get install nodejs npm")


def npm(*pinned: str) -> Path:
    """``node_modules`` with these packages, each ``name@exact-version``: for ``NODE_PATH`` or ``<it>/.bin/<command>``.

    Each set has a folder of its own: packages of different tests cannot disturb each other.
    """
    node()
    manager = program("npm", "it comes with Node, for example: apt-get install npm")
    with _installed("npm", pinned) as folder:
        if folder:
            (folder / "package.json").write_text('{"private": true}\n')
            command = (
                manager,
                "install",
                "--no-save",
                "--no-package-lock",
                "--no-audit",
                "--no-fund",
                "--ignore-scripts",
            )
            _run((*command, *pinned), folder, f"npm cannot install {' '.join(pinned)}")
    return _folder("npm", pinned) / "node_modules"


def python_packages(*pinned: str) -> Path:
    """The interpreter of a virtual environment with these packages, each ``name==exact-version``."""
    with _installed("python", pinned) as folder:
        if folder:
            uv = str(Path(sys.executable).with_name("uv"))
            _run((uv, "venv", "--quiet", "--python", sys.executable, "environment"), folder, "uv makes no environment")
            install = (uv, "pip", "install", "--quiet", "--python", "environment/bin/python")
            _run((*install, *pinned), folder, f"PyPI packages cannot be installed: {' '.join(pinned)}")
    return _folder("python", pinned) / "environment" / "bin" / "python"


def debian_jars(packages: Mapping[str, tuple[str, ...]]) -> str:
    """The class path of these jars in Debian packages, which are unpacked without being installed."""
    apt = program("apt-get", "the jars of Velocity come from Debian or Ubuntu packages; run it on one of them")
    dpkg = program("dpkg", "it comes with Debian and Ubuntu")
    with _installed("debian", tuple(packages)) as folder:
        if folder:
            problem = f"apt-get cannot download {' '.join(packages)}; as root, run apt-get update"
            try:
                _run((apt, "download", *packages), folder, problem)
            except Missing:
                # A fresh container has no lists of packages.
                if os.getuid():
                    raise
                _run((apt, "update", "-qq"), folder, "apt-get update fails")
                _run((apt, "download", *packages), folder, problem)
            for archive in sorted(folder.glob("*.deb")):
                _run((dpkg, "-x", archive.name, "."), folder, f"dpkg cannot unpack {archive.name}")
    java = _folder("debian", tuple(packages)) / "usr" / "share" / "java"
    return os.pathsep.join(str(java / f"{jar}.jar") for jars in packages.values() for jar in jars)


def _folder(kind: str, packages: tuple[str, ...]) -> Path:
    return TOOLS / f"{kind}-{hashlib.sha256(' '.join(packages).encode()).hexdigest()[:12]}"


@contextmanager
def _installed(kind: str, packages: tuple[str, ...]) -> Iterator[Path | None]:
    """An empty folder to install into; None if all of it is there already. One process at a time."""
    target = _folder(kind, packages)
    target.mkdir(parents=True, exist_ok=True)
    complete = target / "complete"
    with (target.with_suffix(".lock")).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if complete.exists():
            yield None
            return
        # Remove the files of an interrupted installation.
        shutil.rmtree(target)
        target.mkdir()
        yield target
        complete.touch()


def _run(command: tuple[str, ...], folder: Path, problem: str) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
    if done.returncode:
        raise Missing(f"{problem}: {(done.stderr or done.stdout).strip()[-600:]}")

"""A second local cloud with the whole shop, with ports and state of its own, for who must not be disturbed or disturbs."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import boto3

from local.settings import HOST, REGION, ROOT
from local.shop import Shop


def free_port() -> int:
    with socket.socket() as one:
        one.bind((HOST, 0))
        return one.getsockname()[1]


@dataclass(frozen=True)
class Other:
    """``run`` does something with it, with the code of a checkout."""

    state: Path
    ports: dict[str, int]

    def run(self, checkout: Path, module: str, *arguments: str) -> str:
        """What ``python -m module`` prints, with the environment in which all of ours work with this cloud."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SETPIECES_"))}
        environment |= {name: str(port) for name, port in self.ports.items()} | {"SETPIECES_STATE": str(self.state)}
        done = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            cwd=checkout,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @property
    def shop(self) -> Shop:
        session = boto3.Session("test", "test", region_name=REGION)
        endpoint, door = (f"http://{HOST}:{self.ports[f'SETPIECES_{name}_PORT']}" for name in ("AWS", "FRONT_DOOR"))
        return Shop("local", session, endpoint, door)


@contextmanager
def other_cloud(folder: Path) -> Iterator[Other]:
    """Not started yet; gone afterwards."""
    names = ("AWS", "FRONT_DOOR", "STOREFRONT", "SESSIONS")
    cloud = Other(folder / "state", {f"SETPIECES_{name}_PORT": free_port() for name in names})
    try:
        yield cloud
    finally:
        cloud.run(ROOT, "local.cli", "reset")

"""A second local cloud with the whole shop, with its own ports and state, for tests that need isolation."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import boto3

from local.cloud.clone import PORTS, Instance, free_ports
from local.credentials import FILE, ROOT_ACCESS_KEY_ID, root_secret
from local.settings import HOST, LINTED
from model.settings import REGION, ROOT
from tools.client import Shop


@dataclass(frozen=True)
class Other(Instance):
    """``run`` does something with it, with the code of a checkout."""

    def run(self, checkout: Path, module: str, *arguments: str) -> str:
        """What ``python -m module`` prints, with the environment in which all of ours work with this cloud."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SETPIECES_"))}
        done = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            cwd=checkout,
            env=environment | self.environment | {LINTED: "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(self) -> None:
        """Start the whole shop: a copy of the deployed one that ``make test`` keeps, or by a deployment of its own."""
        deployed = os.environ.get("SETPIECES_DEPLOYED")
        if deployed:
            self.copy_of(Path(deployed))
        else:
            self.run(ROOT, "tools.cli", "start")

    def copy_of(self, deployed: Path) -> None:
        """Start a copy of the stopped shop of folder ``deployed``."""
        self.save()
        self.run(ROOT, "local.cloud.clone", "start", str(deployed))

    @property
    def shop(self) -> Shop:
        # A version before the random secret, which knows no such file, takes test and test.
        deployed = (self.state / FILE).exists()
        keys = (ROOT_ACCESS_KEY_ID, root_secret(self.state)) if deployed else ("test", "test")
        session = boto3.Session(*keys, region_name=REGION)
        endpoint, door = (f"http://{HOST}:{self.ports[f'SETPIECES_{name}_PORT']}" for name in ("AWS", "FRONT_DOOR"))
        return Shop("local", session, endpoint, door)


@contextmanager
def other_cloud(folder: Path) -> Iterator[Other]:
    """Not started yet; gone afterwards."""
    cloud = Other(folder / "state", dict(zip(PORTS, free_ports(len(PORTS)), strict=True)))
    try:
        yield cloud
    finally:
        cloud.run(ROOT, "tools.cli", "reset")

"""From `make start` on an installed machine to ready, with nothing kept. Target: 60 s.

Measured on a second local cloud with ports and state of its own, so the running one is left alone.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack

from bench.report import Verdict, report
from local.settings import HOST, ROOT

TARGET = 60


def run() -> None:
    with tempfile.TemporaryDirectory(prefix="setpieces-bench-") as state:
        names = ("AWS", "FRONT_DOOR", "STOREFRONT", "SESSIONS")
        ports = {f"SETPIECES_{name}_PORT": str(port) for name, port in zip(names, _free_ports(len(names)), strict=True)}
        environment = dict(os.environ) | ports | {"SETPIECES_STATE": state}
        rows = []
        for what in ("first start", "second start"):
            started = time.perf_counter()
            subprocess.run([sys.executable, "-m", "local.cli", "start"], cwd=ROOT, env=environment, check=True)
            seconds = time.perf_counter() - started
            rows.append({"what": what, "seconds": seconds, f"at most {TARGET}": "yes" if seconds <= TARGET else "NO"})
            subprocess.run([sys.executable, "-m", "local.cli", "stop"], cwd=ROOT, env=environment, check=True)
        slowest = max(float(row["seconds"]) for row in rows)
        verdict = Verdict(
            "From make start on an installed machine to ready",
            f"≤ {TARGET} s",
            f"{slowest:.0f} s",
            slowest <= TARGET,
            ""
            if slowest <= TARGET
            else "sam build and deploy on a machine that others use; another shop runs beside it",
        )
        report("start_time", "From make start to ready", rows, [verdict])


def _free_ports(count: int) -> list[int]:
    with ExitStack() as open_ones:
        sockets = [open_ones.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind((HOST, 0))
        return [int(one.getsockname()[1]) for one in sockets]

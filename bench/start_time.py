"""From `make start` on an installed machine to ready, with nothing kept. Target: 60 s.

Measured on a second local cloud with ports and state of its own, so the running one is left alone.
"""

import os
import subprocess
import sys
import tempfile
import time

from bench.report import report
from local.settings import ROOT

TARGET = 60


def run() -> None:
    with tempfile.TemporaryDirectory(prefix="setpieces-bench-") as state:
        ports = {"SETPIECES_AWS_PORT": "4577", "SETPIECES_FRONT_DOOR_PORT": "8091"}
        environment = dict(os.environ) | ports | {"SETPIECES_STATE": state}
        rows = []
        for what in ("first start", "second start"):
            started = time.perf_counter()
            subprocess.run([sys.executable, "-m", "local.cloud", "start"], cwd=ROOT, env=environment, check=True)
            seconds = time.perf_counter() - started
            rows.append({"what": what, "seconds": seconds, f"at most {TARGET}": "yes" if seconds <= TARGET else "NO"})
            subprocess.run([sys.executable, "-m", "local.cloud", "stop"], cwd=ROOT, env=environment, check=True)
        report("start_time", "From make start to ready", rows)

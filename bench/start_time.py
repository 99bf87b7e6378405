"""Seconds from ``make start`` on an installed machine, without any state, until the shop is ready. Target: 60 s.

Measured in a second local cloud with ports and state of its own; the running one is not affected.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.report import Verdict, report
from local.cloud.clone import Instance
from model.settings import ROOT

TARGET = 60


def run() -> None:
    with tempfile.TemporaryDirectory(prefix="setpieces-bench-") as state:
        environment = dict(os.environ) | Instance.create(Path(state)).environment
        rows = []
        for what in ("first start", "second start"):
            started = time.perf_counter()
            subprocess.run([sys.executable, "-m", "tools.cli", "start"], cwd=ROOT, env=environment, check=True)
            seconds = time.perf_counter() - started
            rows.append({"what": what, "seconds": seconds, f"at most {TARGET}": "yes" if seconds <= TARGET else "NO"})
            subprocess.run([sys.executable, "-m", "tools.cli", "stop"], cwd=ROOT, env=environment, check=True)
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

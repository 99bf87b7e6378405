"""The start of a function in the local cloud: forked from a server that has imported the libraries, against a new interpreter.

Measures processor time of the worker until its handler is imported, in alternating runs; wall time depends on other load.
"""

import json
import os
import statistics
import subprocess
from pathlib import Path
from typing import Any

from ministack.core.lambda_runtime import _PYTHON_WORKER_SCRIPT

from bench.cold_init import LAYER, request_path_functions
from bench.report import Verdict, report
from local.emulator.function_workers.fork_server import ForkServer
from local.settings import LAMBDA_PYTHON, SCRATCH
from model.settings import REGION

RUNS = int(os.environ.get("SETPIECES_BENCH_RUNS", "5"))
TARGET = 2.5
PIPES = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}


def run() -> None:
    script = SCRATCH / "bench_worker.py"
    script.write_text(_PYTHON_WORKER_SCRIPT)
    server = ForkServer(str(LAMBDA_PYTHON), (str(LAYER.parent),))
    rows = []
    for name, code, module, _, variables in request_path_functions():
        environment = os.environ | dict.fromkeys(variables, "bench") | {"STAGE": "local", "AWS_REGION": REGION}
        environment |= {"AWS_DEFAULT_REGION": REGION, "_LAMBDA_LAYERS_DIRS": str(LAYER.parent)}
        environment |= {"AWS_LAMBDA_FUNCTION_NAME": "bench", "LAMBDA_TASK_ROOT": str(code)}
        command = [str(LAMBDA_PYTHON), str(script)]
        pairs = []
        for _ in range(RUNS):
            forked: Any = server.fork(str(script), str(code), environment)
            own = subprocess.Popen(command, cwd=code, env=environment, **PIPES)  # type: ignore[call-overload]
            pairs.append((_milliseconds(forked, code, module), _milliseconds(own, code, module)))
        cost, before = (statistics.median(values) for values in zip(*pairs, strict=True))
        rows.append({"function": name, "forked ms": cost, "interpreter ms": before, "ratio": before / cost})
    server.retire()
    ratio = statistics.median(row["ratio"] for row in rows)
    verdict = Verdict(
        "Processor time of an interpreter of its own against a forked worker, until the handler is imported",
        f"≥ {TARGET} x",
        f"{ratio:.1f} x at the median of {len(rows)} functions",
        ratio >= TARGET,
    )
    report(
        "local_cold_start", f"A function's start in the local cloud, median of {RUNS} alternating runs", rows, [verdict]
    )


def _milliseconds(process: Any, code: Path, module: str) -> float:
    """Processor time of a worker until its handler is imported. Raises ``RuntimeError`` with its output if that fails."""
    process.stdin.write(json.dumps({"code_dir": str(code), "module": module, "handler": "handler"}) + "\n")
    process.stdin.flush()
    answer = process.stdout.readline()
    if '"ready"' not in answer:
        raise RuntimeError(answer + process.stderr.read())
    nanoseconds = int(Path(f"/proc/{process.pid}/schedstat").read_text().split()[0])
    process.kill()
    process.wait()
    return nanoseconds / 1e6

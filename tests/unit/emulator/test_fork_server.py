"""Forked workers, compared with workers of a separate interpreter, and how they end."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest
from ministack.core import lambda_runtime

from local.cloud.stop import is_running
from local.emulator.function_workers.fork_server import ForkServer, WorkerStarter
from model.settings import ROOT
from tools.client import eventually

ECHO = """
import json, os, sys, threading
for line in sys.stdin:
    print(json.dumps({
        "argv": sys.argv, "path": sys.path, "environment": dict(os.environ), "folder": os.getcwd(), "file": __file__,
        "name": __name__, "threads": threading.active_count(), "descriptors": len(os.listdir("/proc/self/fd")),
        "streams": [[s.encoding, s.errors, s.line_buffering, s.seekable()] for s in (sys.stdin, sys.stdout, sys.stderr)],
        "signals": [state for state in open("/proc/self/status") if state.startswith(("SigBlk", "SigIgn", "SigCgt"))],
    }), flush=True)
"""
PIPES = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "bufsize": 1}


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    server = ForkServer(sys.executable, ())
    yield server
    server.retire()
    server.process.wait(30)


@pytest.fixture
def script(tmp_path: Path) -> Path:
    script = tmp_path / "_worker.py"
    script.write_text(ECHO)
    return script


def ended(pid: int) -> bool:
    try:
        return not is_running(psutil.Process(pid))
    except psutil.NoSuchProcess:
        return True


def test_a_forked_worker_equals_one_of_a_separate_interpreter(server: ForkServer, script: Path):
    environment = {**os.environ, "OWN": "variable"}
    plain = subprocess.Popen([sys.executable, str(script)], cwd=script.parent, env=environment, **PIPES)  # type: ignore[call-overload]
    forked = server.fork(str(script), str(script.parent), environment)
    described = []
    for process in (plain, forked):
        process.stdin.write("\n")
        described.append(json.loads(process.stdout.readline()))
        process.stdin.close()
        assert process.wait(30) == 0
    assert described[0] == described[1]


def test_libraries_read_nothing_that_differs_between_functions(server: ForkServer):
    """A worker is forked only if it has the values that the libraries read; this must be so for each function."""
    declared = {
        name
        for template in (ROOT / "templates").glob("*.yaml")
        for block in re.findall(r"^( +)Variables:\n((?:\1 +.*\n)+)", template.read_text(), re.MULTILINE)
        for name in re.findall(r"^ +([A-Z][A-Z0-9_]+):", block[1], re.MULTILINE)
    }
    assert len(declared) > 10
    variables = lambda_runtime._RESERVED_RUNTIME_ENV_VARS | {"AWS_ENDPOINT_URL", "_LAMBDA_LAYERS_DIRS"} | declared
    assert server.fits(os.environ | dict.fromkeys(variables, "of the function"))
    assert "*" not in server._reads


@pytest.mark.parametrize("name", ["PYTHONHASHSEED", "TZ", "LC_ALL"])
def test_a_function_that_configures_its_interpreter_is_not_forked(server: ForkServer, name: str):
    assert not server.fits({**os.environ, name: "different"})


def test_the_end_of_a_worker_is_reported(server: ForkServer, script: Path):
    worker = server.fork(str(script), str(script.parent), dict(os.environ))
    assert worker.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        worker.wait(0.01)
    worker.terminate()
    assert worker.wait(30) == -signal.SIGTERM
    assert worker.poll() == -signal.SIGTERM
    assert not psutil.pid_exists(worker.pid)


def test_a_server_that_ended_is_replaced_and_its_workers_end(script: Path):
    starter = WorkerStarter(sys.executable)
    first, second = (
        starter.start([sys.executable, str(script)], cwd=str(script.parent), env=dict(os.environ), **PIPES)
        for _ in range(2)
    )
    [server] = starter._servers.values()
    server.process.kill()
    assert first.wait(30) == -signal.SIGKILL
    assert second.wait(30) == -signal.SIGKILL
    third = starter.start([sys.executable, str(script)], cwd=str(script.parent), env=dict(os.environ), **PIPES)
    assert third.poll() is None
    assert int((script.parent / "worker.pid").read_text()) == third.pid
    third.kill()
    assert third.wait(30) == -signal.SIGKILL


def test_a_retired_server_ends_after_its_last_worker(script: Path):
    server = ForkServer(sys.executable, ())
    worker = server.fork(str(script), str(script.parent), dict(os.environ))
    server.retire()
    worker.stdin.write("\n")
    assert json.loads(worker.stdout.readline())["name"] == "__main__"
    worker.stdin.close()
    assert worker.wait(30) == 0
    eventually(lambda: ended(server.process.pid))


def test_server_and_workers_end_with_the_emulator(script: Path):
    """The emulator may be killed, and a worker may not read its stdin."""
    script.write_text("while True: pass")
    emulator = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, os; from local.emulator.function_workers.fork_server import ForkServer\n"
            "server = ForkServer(sys.executable, ())\n"
            f"worker = server.fork({str(script)!r}, '/', dict(os.environ))\n"
            "print(server.process.pid, worker.pid, flush=True)\n"
            "sys.stdin.read()",
        ],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert emulator.stdout
    pids = [int(pid) for pid in emulator.stdout.readline().split()]
    emulator.kill()
    emulator.wait()
    for pid in pids:
        eventually(partial(ended, pid))

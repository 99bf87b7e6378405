"""Patches of Lambda's execution environments: the processes of functions."""

import hashlib
import inspect
import io
import os
import threading
import zipfile
from functools import lru_cache

from local.emulator.patch import NoLongerNeeded, patch, replace_in_function
from local.settings import LAMBDA_PYTHON, UNPACKED


@patch(
    "silent-handlers",
    area="functions",
    aws="a function without log output responds at once",
    emulator="the emulator waits 50 ms for a first log line",
    reason=(
        "latencies would depend on the amount of log output; on a busy machine late lines are logged with the next "
        "invocation"
    ),
    upstream="not reported",
)
def shorten_wait_for_log_output() -> None:
    from ministack.core import lambda_runtime

    owner = next(value for value in vars(lambda_runtime).values() if hasattr(value, "_drain_stderr_bounded"))
    function = owner._drain_stderr_bounded
    if function.__defaults__ != (0.050, 0.005, 0.250):
        raise NoLongerNeeded("_drain_stderr_bounded has other defaults")
    function.__defaults__ = (0.004, 0.002, 0.250)


_unpack_lock = threading.Lock()


@patch(
    "shared-code",
    area="functions",
    aws="code and layers are unpacked before a function's process starts, by another component",
    emulator=(
        "each process gets its own copies, which the emulator unpacks while all other requests wait, and compiles "
        "them again"
    ),
    reason="many concurrent cold starts, as after a kill of all processes, would block the emulator for minutes",
    upstream="not reported",
)
def unpack_archives_once() -> None:
    from ministack.core import lambda_runtime

    worker = lambda_runtime.Worker
    replace_in_function(
        worker,
        "_spawn",
        "            if layer_data:\n",
        "            if layer_data:\n"
        "                layers_dirs.append(_unpacked(layer_data))\n"
        "                continue\n"
        "            if layer_data:\n",
    )
    # The emulator links libraries of layers into the code of Node.js functions, so each process needs its own copy.
    replace_in_function(
        worker,
        "_spawn",
        "    os.makedirs(code_dir)\n"
        '    with open(os.path.join(self._tmpdir, "code.zip"), "wb") as f:\n'
        "        f.write(self.code_zip)\n"
        '    with zipfile.ZipFile(os.path.join(self._tmpdir, "code.zip")) as zf:\n'
        "        zf.extractall(code_dir)\n",
        '    if runtime.startswith("python"):\n'
        "        code_dir = _unpacked(self.code_zip)\n"
        "    else:\n"
        "        shutil.copytree(_unpacked(self.code_zip), code_dir)\n",
    )
    lambda_runtime._unpacked = unpacked


@lru_cache(maxsize=256)
def _sha256(archive: bytes) -> str:
    return hashlib.sha256(archive).hexdigest()


def unpacked(archive: bytes) -> str:
    """The folder with the unpacked code of a function or layer; processes with the same archive share it, as on AWS."""
    folder = UNPACKED / _sha256(archive)
    with _unpack_lock:
        if not folder.exists():
            partial = folder.with_suffix(".partial")
            with zipfile.ZipFile(io.BytesIO(archive)) as files:
                files.extractall(partial)
            partial.rename(folder)
    return str(folder)


@patch(
    "forked-workers",
    area="functions",
    aws="processes start on separate processors, so that others respond meanwhile",
    emulator=(
        "each is an interpreter that imports the libraries again, four times the work of forking one that has them"
    ),
    reason=(
        "cold starts take most of the processor time of tests; libraries that read the environment are not imported"
        " in advance, and a function whose environment affects the imported ones gets its own interpreter"
    ),
    upstream="not reported",
)
def fork_workers() -> None:
    from ministack.core import lambda_runtime

    from local.emulator.function_workers.fork_server import WorkerStarter

    lambda_runtime._start_process = WorkerStarter(str(LAMBDA_PYTHON)).start
    replace_in_function(
        lambda_runtime.Worker,
        "_spawn",
        "self._proc = subprocess.Popen(",
        "self._proc = _start_process(",
    )


@patch(
    "after-an-exception",
    area="functions",
    aws="after an exception of the handler the environment serves the next call and keeps its state",
    emulator="the next call starts a new process",
    reason="an authorizer denies by raising an exception, after which the next request must not wait for a cold start",
    upstream="not reported",
)
def keep_workers_after_exceptions() -> None:
    from ministack.core import lambda_runtime

    # The response has a traceback if the handler raised an exception, and none if its process ended.
    old = 'if response.get("status") == "error":\n'
    new = 'if response.get("status") == "error" and "trace" not in response:\n'
    replace_in_function(lambda_runtime.Worker, "invoke", old, new)


@patch(
    "cold-starts",
    area="functions",
    aws="each request without an idle environment of its function starts one, on separate processors",
    emulator="each starts a process: many concurrent ones share a few cores, and all of them time out",
    reason=(
        "at most as many processes start concurrently as there are cores; a request first waits for a process that "
        "becomes idle, before another is started, which AWS would do at once: up to 0.75 s, on a busy machine as "
        "long as three starts take, and 5 s before the function's first response"
    ),
    upstream="not reported",
)
def limit_concurrent_starts() -> None:
    from ministack.core import lambda_runtime
    from ministack.services import lambda_svc

    from local.emulator.function_workers import pool

    if 'return worker, "spawn"' not in inspect.getsource(lambda_runtime.acquire_worker):
        raise NoLongerNeeded("acquire_worker has changed")
    replace_in_function(lambda_runtime.Worker, "invoke", "self._spawn()\n", "_pool.start(self)\n")
    replace_in_function(lambda_runtime, "ensure_spawned", "worker._spawn()\n", "_pool.start(worker)\n")
    lambda_svc.ensure_spawned = lambda_runtime.ensure_spawned
    replace_in_function(
        lambda_svc,
        "_execute_function_warm",
        "invalidate_worker(func_name, qualifier=qualifier, account=get_account_id(), region=get_region())\n"
        "        worker = None  # invalidate_worker already dropped it from the pool\n",
        "_pool.discard(worker)\n        worker = None\n",
    )
    pool.install(lambda_runtime, lambda_svc, os.cpu_count() or 1)


@patch(
    "clean-interpreter",
    area="functions",
    aws="a function sees its code, its layers and the runtime's boto3",
    emulator=(
        "a function sees everything installed beside the emulator, so a package missing from the layer goes unnoticed"
    ),
    reason="only the layer carries packages (docs/decisions/0003)",
    upstream="not reported",
)
def run_functions_in_lambda_interpreter() -> None:
    from ministack.core import lambda_runtime

    replace_in_function(
        lambda_runtime,
        "_detect_runtime_binary",
        "return sys.executable, _PYTHON_WORKER_SCRIPT",
        f"return {str(LAMBDA_PYTHON)!r}, _PYTHON_WORKER_SCRIPT",
    )

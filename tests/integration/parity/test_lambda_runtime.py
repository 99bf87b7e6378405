"""The patches of ``local.emulator.patches.lambda_runtime``, beside an emulator without patches."""

import io
import json
import os
import zipfile
from types import SimpleNamespace

import pytest
from ministack.core import lambda_runtime

from local.emulator.patches.lambda_runtime import shorten_wait_for_log_output
from tests.integration.two_emulators import Cloud
from tools.client import unique

pytestmark = pytest.mark.local_only("it starts emulators of its own")


def test_silent_handlers(monkeypatch: pytest.MonkeyPatch):
    """The wait for log output of a worker whose function logs nothing, on a simulated clock."""
    worker = next(value for value in vars(lambda_runtime).values() if hasattr(value, "_drain_stderr_bounded"))
    drain = worker._drain_stderr_bounded
    silent = SimpleNamespace(_stderr_queue=lambda_runtime.queue.Queue())
    clock = SimpleNamespace(now=0.0)

    def waited() -> float:
        started = clock.now
        drain(silent)
        return clock.now - started

    def sleep(seconds: float) -> None:
        clock.now += seconds

    monkeypatch.setattr(lambda_runtime, "time", SimpleNamespace(time=lambda: clock.now, sleep=sleep))
    monkeypatch.setattr(drain, "__defaults__", drain.__defaults__)  # restored after the test
    assert waited() >= 0.05
    shorten_wait_for_log_output()
    assert waited() < 0.01


def test_shared_code(plain: Cloud, patched: Cloud):
    def folders(cloud: Cloud) -> tuple[set[str], set[str]]:
        """The paths of the function's module and of the layer's module in two processes."""
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as files:
            files.writestr("python/carried.py", "")
        layer = cloud.aws("lambda").publish_layer_version(
            LayerName=unique("layer"), Content={"ZipFile": archive.getvalue()}
        )["LayerVersionArn"]
        code = "import carried\ndef handler(event, context): return [__file__, carried.__file__]"
        responses = [cloud.invoke(cloud.function(code, Layers=[layer])) for _ in range(2)]
        return {response[0] for response in responses}, {response[1] for response in responses}

    assert [len(module_paths) for module_paths in folders(plain)] == [2, 2]
    assert [len(module_paths) for module_paths in folders(patched)] == [1, 1]


def test_forked_workers(plain: Cloud, patched: Cloud):
    """A function's process has the libraries before its own code is imported, unless its environment affects them."""
    code = (
        "import sys; before = set(sys.modules)\n"
        "import os, random, threading\n"
        "chance = random.random()\n"
        "def handler(event, context):\n"
        "    return {'boto3': 'boto3' in before, 'pid': os.getpid(), 'chance': chance, 'threads': threading.active_count(),\n"
        "            'argv': sys.argv[0].rpartition('/')[2],\n"
        "            'cwd': os.getcwd() == os.path.dirname(__file__), 'own': 'app' in before, 'variables': sorted(os.environ)}"
    )
    forked = patched.invoke(patched.function(code))
    started = plain.invoke(plain.function(code))
    assert (started.pop("boto3"), forked.pop("boto3")) == (False, True)
    own = patched.function(code, Environment={"Variables": {"PYTHONHASHSEED": "0"}})
    assert not patched.invoke(own)["boto3"]
    assert patched.invoke(patched.function(code))["chance"] != forked["chance"]
    for different in ("pid", "chance"):
        assert started.pop(different) != forked.pop(different)
    assert started == forked


def test_after_an_exception(plain: Cloud, patched: Cloud):
    """The number of calls of the process that serves the call after an exception."""
    code = (
        "calls = []\ndef handler(event, context):\n  calls.append(1)\n  if event: raise ValueError\n  return len(calls)"
    )

    def calls(cloud: Cloud) -> list[int]:
        function = cloud.function(code)
        before = [cloud.invoke(function), cloud.invoke(function)]
        assert cloud.aws("lambda").invoke(FunctionName=function, Payload=b'{"fail": true}')["FunctionError"]
        return [*before, cloud.invoke(function)]

    assert (calls(plain), calls(patched)) == ([1, 2, 1], [1, 2, 4])


def test_cold_starts(plain: Cloud, patched: Cloud):
    """The number of processes for concurrent calls of a function whose start takes much longer than an invocation."""
    code = "import os, time\ntime.sleep(1)\ndef handler(event, context): return os.getpid()"
    clients = 4 * (os.cpu_count() or 1)

    def processes(cloud: Cloud) -> int:
        return len(set(cloud.invoke_at_once(cloud.function(code, Timeout=30), clients)))

    assert processes(plain) == clients
    assert processes(patched) < clients


def test_clean_interpreter(plain: Cloud, patched: Cloud):
    code = "import boto3, ministack\ndef handler(event, context): return 'imported'"
    assert plain.invoke(plain.function(code)) == "imported"
    assert "No module named 'ministack'" in json.dumps(patched.invoke(patched.function(code)))


def test_python_version(plain: Cloud):
    """All runtimes are the Python of the host."""
    code = "import sys\ndef handler(event, context): return sys.version"
    versions = {plain.invoke(plain.function(code, Runtime=runtime)) for runtime in ("python3.12", "python3.13")}
    assert len(versions) == 1


def test_memory(plain: Cloud):
    function = plain.function("def handler(event, context): return len(b'x' * (200 * 2**20))", MemorySize=128)
    assert plain.invoke(function) == 200 * 2**20


def test_temporary_files(plain: Cloud):
    """A function can read the file of another function."""
    name = unique("left")
    path = f"/tmp/{name}"
    writes = plain.function(f"def handler(event, context): return open({path!r}, 'w').write('x')")
    reads = plain.function(f"import os\ndef handler(event, context): os.remove({path!r}); return 'there'")
    plain.invoke(writes)
    assert plain.invoke(reads) == "there"


def test_environment(plain: Cloud):
    code = "import os\ndef handler(event, context): return os.environ.get('GATEWAY_PORT')"
    assert plain.invoke(plain.function(code)) == plain.endpoint.rsplit(":", 1)[-1]

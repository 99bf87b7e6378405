"""The end of a worker that cannot be initialised; the parity tests cover its response and its log."""

import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest

from local.emulator.function_workers import failures


def worker(code: str) -> SimpleNamespace:
    """The parts of a worker that ``init_failed`` uses, with a process that runs ``code``."""
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    output: list[str] = []
    reader = threading.Thread(target=lambda: output.extend(process.stderr or ()), daemon=True)
    reader.start()
    return SimpleNamespace(_proc=process, _stderr_thread=reader, _drain_stderr=lambda: "".join(output))


def test_a_process_that_does_not_end_is_killed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(failures, "EXIT_SECONDS", 0.01)
    broken = worker("import time; time.sleep(600)")
    response = {"errorType": "Runtime.ImportModuleError", "errorMessage": "no module"}
    failure = failures.init_failed(broken, response)
    assert (failure.response, str(failure)) == (response, "Runtime.ImportModuleError: no module")
    assert broken._proc.returncode is not None


@pytest.mark.parametrize(
    ("end", "reason"),
    [("sys.exit(3)", "exit status 3"), ("os.kill(os.getpid(), signal.SIGKILL)", "signal: killed")],
)
def test_a_process_that_ends_without_a_response(monkeypatch: pytest.MonkeyPatch, end: str, reason: str):
    monkeypatch.setattr(failures, "EXIT_SECONDS", 60.0)
    failure = failures.init_failed(worker(f"import os, signal, sys; print('before', file=sys.stderr); {end}"))
    assert failure.response == {
        "errorType": "Runtime.ExitError",
        "errorMessage": f"Error: Runtime exited with error: {reason}",
    }
    assert failure.output == "before\n"


def test_an_error_without_a_message_is_logged_by_its_name():
    event = failures.error_event({"errorType": "KeyError", "errorMessage": "", "stackTrace": ["  File x\n    line\n"]})
    assert (
        event
        == "[ERROR] KeyError\nTraceback (most recent call last):\n\u00a0\u00a0File x\n\u00a0\u00a0\u00a0\u00a0line"
    )

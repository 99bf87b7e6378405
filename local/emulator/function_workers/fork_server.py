"""Starts workers by forking a process that has their libraries imported, instead of by an interpreter that imports them.

A forked worker runs MiniStack's own script in the same environment, folder and path; the differences are that ``sys.modules``
has the libraries already, and that workers of one server share their hash seed. Linux only.
"""

import json
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

MAIN = Path(__file__).with_name("fork_server_main.py")
# Prefixes of the variables that an interpreter reads when it starts.
_STARTUP = ("PYTHON", "LANG", "LC_", "LD_", "MALLOC_", "TZ")
_IMPORT_SECONDS = 60.0
_UNUSED_SECONDS = 300.0

logger = logging.getLogger("function_workers")


class ForkServerFailed(Exception):
    """The server cannot be started, or ended during a request for a worker."""


class ForkedProcess:
    """A worker: the part of ``subprocess.Popen`` that MiniStack uses. ``status`` is the pipe that the server writes to."""

    def __init__(self, status: int, stdin: int, stdout: int, stderr: int) -> None:
        self._status: IO[bytes] = os.fdopen(status, "rb", buffering=0)
        self._lock = threading.Lock()
        self.stdin = os.fdopen(stdin, "w", buffering=1)
        self.stdout = os.fdopen(stdout)
        self.stderr = os.fdopen(stderr)
        self.returncode: int | None = None
        number, newline, code = _read_until_newline(self._status)
        if not newline:
            raise ForkServerFailed("the fork server ended before it forked")
        self.pid = int(number)
        self._code = code
        os.set_blocking(status, False)

    def poll(self) -> int | None:
        """The return code, or None while it runs. Kills a worker whose server ended, because nothing would report its end."""
        with self._lock:
            while self.returncode is None:
                if self._code.endswith(b"\n"):
                    self.returncode = int(self._code)
                    break
                part = self._status.read(32)
                if part is None:
                    break
                if not part:
                    with suppress(ProcessLookupError):
                        os.kill(self.pid, signal.SIGKILL)
                    self.returncode = -signal.SIGKILL
                self._code += part
            return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """The return code. Raises ``subprocess.TimeoutExpired`` after ``timeout`` seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        poller = select.poll()
        poller.register(self._status, select.POLLIN)
        while (code := self.poll()) is None:
            remaining = None if deadline is None else (deadline - time.monotonic()) * 1000
            if remaining is not None and remaining <= 0:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
            poller.poll(remaining)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _read_until_newline(pipe: IO[bytes]) -> tuple[bytes, bytes, bytes]:
    """(line, newline, rest) of the data in a pipe; no newline if the pipe ended."""
    received = b""
    while b"\n" not in received and (part := pipe.read(32)):
        received += part
    return received.partition(b"\n")


class ForkServer:
    """A process with the libraries of ``layers`` (unpacked folders) imported. Raises ``ForkServerFailed``."""

    def __init__(self, interpreter: str, layers: tuple[str, ...]) -> None:
        self._control, child_socket = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._environment = dict(os.environ)
        self.last_used = time.monotonic()
        with child_socket:
            # Pipes, as workers have: they determine how the interpreter buffers the standard streams.
            self.process = subprocess.Popen(
                [interpreter, str(MAIN), str(child_socket.fileno()), *layers],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                pass_fds=[child_socket.fileno()],
            )
        self._control.settimeout(_IMPORT_SECONDS)
        try:
            reads = self._control.recv(1 << 20)
        except TimeoutError:
            self.process.kill()
            reads = b""
        threading.Thread(target=self._collect, daemon=True, name="fork-server").start()
        if not reads:
            raise ForkServerFailed("the fork server cannot import the libraries")
        self._reads: dict[str, str | None] = json.loads(reads)

    def _collect(self) -> None:
        """Log the server's output, and close the socket after its end: the server kills its workers when the socket closes."""
        for line in self.process.stderr or ():
            logger.warning("fork server: %s", line.rstrip())
        self.process.wait()
        self._control.close()

    def fits(self, environment: dict[str, str]) -> bool:
        """True if the interpreter and the libraries would read the same values from ``environment``."""
        names = {name for name in environment | self._environment if name.startswith(_STARTUP)}
        return all(environment.get(name) == value for name, value in self._reads.items()) and all(
            environment.get(name) == self._environment.get(name) for name in names
        )

    def fork(self, script: str, cwd: str, environment: dict[str, str]) -> ForkedProcess:
        """A new worker. Raises ``ForkServerFailed``."""
        self.last_used = time.monotonic()
        request = json.dumps({"script": script, "cwd": cwd, "env": environment}).encode()
        stdin, to_stdin = os.pipe()
        from_stdout, stdout = os.pipe()
        from_stderr, stderr = os.pipe()
        from_status, status = os.pipe()
        child_ends = [stdin, stdout, stderr, status]
        try:
            socket.send_fds(self._control, [request], child_ends)
        except OSError as error:
            for descriptor in (to_stdin, from_stdout, from_stderr, from_status):
                os.close(descriptor)
            raise ForkServerFailed(str(error)) from error
        finally:
            for descriptor in child_ends:
                os.close(descriptor)
        return ForkedProcess(from_status, to_stdin, from_stdout, from_stderr)

    def retire(self) -> None:
        """Fork no more; the process ends after its last worker."""
        with suppress(OSError):
            self._control.send(b"retire")


class WorkerStarter:
    """Starts the processes of workers: those of ``interpreter`` by a fork server for each set of layers, others directly."""

    def __init__(self, interpreter: str) -> None:
        self._interpreter = interpreter
        self._lock = threading.Lock()
        self._servers: dict[tuple[str, ...], ForkServer] = {}

    def start(self, command: list[str], *, cwd: str, env: dict[str, str], **options: Any) -> Any:
        """The same as ``subprocess.Popen``. The process's id is written beside its script, in ``worker.pid``."""
        process = self._fork(command, cwd, env) or subprocess.Popen(command, cwd=cwd, env=env, **options)
        with suppress(FileNotFoundError):  # the worker is no longer needed, and its folder is gone
            Path(command[1]).with_name("worker.pid").write_text(str(process.pid))
        return process

    def _fork(self, command: list[str], cwd: str, env: dict[str, str]) -> ForkedProcess | None:
        """A forked worker, or None if this one needs an interpreter of its own."""
        if command[0] != self._interpreter or not sys.platform.startswith("linux"):
            return None
        layers = tuple(filter(None, env.get("_LAMBDA_LAYERS_DIRS", "").split(os.pathsep)))
        for _ in range(2):  # the first request fails if the server has ended
            try:
                server = self._server(layers)
                return server.fork(command[1], cwd, env) if server.fits(env) else None
            except ForkServerFailed as failure:
                logger.warning("%s", failure)
                with self._lock:
                    self._servers.pop(layers, None)
        return None

    def _server(self, layers: tuple[str, ...]) -> ForkServer:
        with self._lock:
            oldest = time.monotonic() - _UNUSED_SECONDS
            for unused in [key for key, server in self._servers.items() if key != layers and server.last_used < oldest]:
                self._servers.pop(unused).retire()
            if layers not in self._servers:
                self._servers[layers] = ForkServer(self._interpreter, layers)
            return self._servers[layers]

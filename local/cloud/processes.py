"""The background processes of the local cloud. A file for each records its id, by which later commands stop it."""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil

from local.ports import answering, listening
from local.settings import (
    AWS_ENDPOINT,
    AWS_PORT,
    FRONT_DOOR,
    FRONT_DOOR_PORT,
    HOST,
    SCRATCH,
    SESSIONS_PORT,
    STATE,
    STOREFRONT_FOLDER,
    STOREFRONT_PORT,
)
from local.settings import aws_environment as aws
from model.settings import ACCOUNT_ID, REGION, ROOT, STAGE


class CannotStart(Exception):
    """A process of the local cloud did not start. The message has the reason and a remedy."""


# Processes whose port has another name in environment variables.
PORT_NAMES = {"emulator": "aws"}
# The lowest rooms, which every process imports.
BASE = ("local/*.py", "model/*.py", "requirements-dev.txt")


@dataclass(frozen=True)
class Process:
    """One background process: ``python -m <module> <arguments>``, healthy if ``ready()`` is true.

    Its code is in ``folders`` and in the rooms of ``BASE``. ``start`` replaces a process that runs other code, for example
    after a pull, or another ``configuration``. It empties the folder ``scratch`` first.
    """

    name: str
    module: str
    arguments: tuple[str, ...]
    port: int
    ready: Callable[[], bool]
    environment: Callable[[], dict[str, str]]
    folders: tuple[str, ...]
    scratch: Path | None = None
    configuration: Callable[[], str] = str

    @property
    def variable(self) -> str:
        """The environment variable that overrides the port."""
        return f"SETPIECES_{PORT_NAMES.get(self.name, self.name).replace('-', '_').upper()}_PORT"

    @property
    def pid_file(self) -> Path:
        return STATE / f"{self.name}.pid"

    @property
    def version_file(self) -> Path:
        return STATE / f"{self.name}.version"

    @property
    def log_file(self) -> Path:
        return STATE / f"{self.name}.log"

    def version(self) -> str:
        """A digest of the command, the configuration and the code."""
        digest = hashlib.sha256("\n".join([*self.arguments, self.configuration()]).encode())
        for file in self.code():
            digest.update(file.read_bytes())
        return digest.hexdigest()

    def code(self) -> list[Path]:
        """Its Python and requirement files, sorted."""
        patterns = [*BASE, *(f"{folder}/{name}" for folder in self.folders for name in ("**/*.py", "requirements.txt"))]
        return sorted({file for pattern in patterns for file in ROOT.glob(pattern)})

    def current(self) -> bool:
        """True if the process was started with the current code and configuration."""
        return self.version_file.exists() and self.version_file.read_text() == self.version()

    def running(self) -> psutil.Process | None:
        """The running process; None if it ended, even if another program has its id now."""
        try:
            process = psutil.Process(int(self.pid_file.read_text()))
            return process if self.module in process.cmdline() else None
        except (FileNotFoundError, ValueError, psutil.Error):
            return None

    def pid(self) -> int | None:
        process = self.running()
        return process.pid if process else None

    def healthy(self) -> bool:
        return self.ready()

    def start(self, seconds: float = 30) -> bool:
        """Start the process unless it runs the current version. True if it was started. Raises ``CannotStart``."""
        if self.pid() and self.current() and self.healthy():
            return False
        self.stop()
        if listening(self.port):
            raise CannotStart(
                f"Port {self.port} is in use by another program. Stop it, or set {self.variable} to a free port."
            )
        if self.scratch:
            shutil.rmtree(self.scratch, ignore_errors=True)
            self.scratch.mkdir(parents=True)
        with self.log_file.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", self.module, *self.arguments],
                cwd=ROOT,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.pid_file.write_text(str(process.pid))
        self.version_file.write_text(self.version())
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if process.poll() is not None:
                break
            if self.healthy():
                return True
            time.sleep(0.1)
        self.stop()
        raise CannotStart(f"The process {self.name} did not start. Last lines of {self.log_file}:\n{self.tail()}")

    def stop(self, seconds: float = 120) -> bool:
        """Terminate the process, and kill it after ``seconds``. True if it was running.

        The emulator saves its state before it ends.
        """
        process = self.running()
        if process:
            process.terminate()
            try:
                process.wait(seconds)
            except psutil.TimeoutExpired:
                process.kill()
                process.wait()
        self.pid_file.unlink(missing_ok=True)
        return process is not None

    def tail(self, lines: int = 15) -> str:
        if not self.log_file.exists():
            return ""
        return "\n".join(self.log_file.read_text(errors="replace").splitlines()[-lines:])


def _base_environment() -> dict[str, str]:
    """Without the developer's variables, because functions inherit the emulator's environment."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return inherited | {
        "TMPDIR": str(SCRATCH),
        "SETPIECES_STATE": str(STATE),
        "SETPIECES_AWS_PORT": str(AWS_PORT),
        "SETPIECES_FRONT_DOOR_PORT": str(FRONT_DOOR_PORT),
    }


def _emulator_environment() -> dict[str, str]:
    return _base_environment() | {
        "BIND_HOST": HOST,
        "GATEWAY_PORT": str(AWS_PORT),
        "MINISTACK_REGION": REGION,
        "MINISTACK_ACCOUNT_ID": ACCOUNT_ID,
        "AUTH": "true",
        "PERSIST_STATE": "1",
        "S3_PERSIST": "1",
        "STATE_DIR": str(STATE / "state"),
        "S3_DATA_DIR": str(STATE / "s3"),
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "LAMBDA_WARM_TTL_SECONDS": "120",
        "LOG_LEVEL": "WARNING",
        # Functions inherit LOG_LEVEL too, and would log less than on AWS.
        "POWERTOOLS_LOG_LEVEL": "INFO",
        "AWS_XRAY_DAEMON_ADDRESS": f"{HOST}:{AWS_PORT}",
    }


def _front_door_environment() -> dict[str, str]:
    return _base_environment() | aws()


def _storefront_environment() -> dict[str, str]:
    """The environment of its task definition, without AWS credentials: it calls no service of AWS."""
    import boto3  # here because the import is slow, and commands such as `make stop` do not need it

    from local.storefront import container

    root = aws()
    session = boto3.Session(root["AWS_ACCESS_KEY_ID"], root["AWS_SECRET_ACCESS_KEY"], region_name=REGION)
    return _base_environment() | container.environment(session, AWS_ENDPOINT)


def _sessions_token() -> str:
    """The password of the session store, from the storefront's task definition. A new stack has a new one."""
    return _storefront_environment()["SESSIONS_TOKEN"]


def _sessions_environment() -> dict[str, str]:
    return _base_environment() | {"SESSIONS_TOKEN": _sessions_token()}


EMULATOR = Process(
    "emulator",
    "local.emulator.server",
    (),
    AWS_PORT,
    partial(answering, f"{AWS_ENDPOINT}/_ministack/health"),
    _emulator_environment,
    ("local/emulator",),
    scratch=SCRATCH,
)
FRONT_DOOR_PROCESS = Process(
    "front-door",
    "local.front_door.server",
    ("--port", str(FRONT_DOOR_PORT), "--stage", STAGE),
    FRONT_DOOR_PORT,
    partial(answering, f"{FRONT_DOOR}/healthz"),
    _front_door_environment,
    ("local/front_door", "packages/apigw-executor/src"),
)
SESSIONS = Process(
    "sessions",
    "local.storefront.session_store",
    (str(SESSIONS_PORT),),
    SESSIONS_PORT,
    partial(listening, SESSIONS_PORT),
    _sessions_environment,
    ("local/storefront",),
    configuration=_sessions_token,
)
STOREFRONT = Process(
    "storefront",
    "uvicorn",
    (
        *("app.main:create", "--factory", "--app-dir", str(STOREFRONT_FOLDER)),
        *("--host", HOST, "--port", str(STOREFRONT_PORT), "--no-proxy-headers", "--no-server-header"),
        *("--log-level", "warning"),
    ),
    STOREFRONT_PORT,
    partial(answering, f"http://{HOST}:{STOREFRONT_PORT}/healthz"),
    _storefront_environment,
    # It reads page templates and static files for each page.
    ("storefront", "local/storefront"),
)
ALL = (EMULATOR, FRONT_DOOR_PROCESS, SESSIONS, STOREFRONT)


def workers() -> Iterator[tuple[psutil.Process, str]]:
    """(process, function name) of each process in which our emulator runs a function."""
    emulator = EMULATOR.running()
    running = {child.pid: child for child in emulator.children(recursive=True)} if emulator else {}
    for file in SCRATCH.glob("ministack-lambda-*/worker.pid"):
        with suppress(FileNotFoundError, ValueError):  # the worker has just ended or is starting
            if child := running.get(int(file.read_text())):
                yield child, file.parent.name.removeprefix("ministack-lambda-").rpartition("-")[0]


def kill_workers() -> int:
    """Kill all processes of functions and wait until they have ended. Returns their number."""
    killed = []
    for worker, _ in workers():
        with suppress(psutil.NoSuchProcess):
            worker.kill()
            killed.append(worker)
    psutil.wait_procs(killed, timeout=5)
    return len(killed)

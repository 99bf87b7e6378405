"""The process that workers are forked from, with their libraries imported. Run by the functions' own interpreter.

    python fork_server_main.py DESCRIPTOR LAYER...

``DESCRIPTOR`` is a SOCK_SEQPACKET socket of ``local.emulator.function_workers.fork_server``. The first message goes to it: the
environment variables that were read while the libraries were imported, with their values. Each message from it is a worker
to fork, as JSON ``{"script", "cwd", "env"}``, with four descriptors: the worker's stdin, stdout and stderr, and a pipe that
gets a line with its process id and, when it ended, one with the return code as ``subprocess.Popen`` has it. A message without
descriptors: fork no more, and end after the last worker. The end of the socket: the emulator is gone; kill the workers and
end.

Nothing of the repository is on the path here, and what is imported here stays imported in every worker: only the standard
library, and libraries that functions import anyway.
"""

import gc
import importlib
import json
import os
import select
import signal
import site
import socket
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

# Imported where the functions' layer or interpreter has them. None may start a thread, open a connection or read a variable
# that differs between functions: a worker is forked only if all variables that were read have the same values in it.
LIBRARIES = (
    "boto3.dynamodb.conditions",
    "boto3.dynamodb.types",
    "boto3.session",
    "botocore.auth",
    "botocore.client",
    "botocore.configprovider",
    "botocore.endpoint_provider",
    "botocore.httpsession",
    "botocore.retries.standard",
    "concurrent.futures.thread",
    "decimal",
    "email.utils",
    "encodings.idna",
    "http.client",
    "urllib3",
    "uuid",
    "zoneinfo",
    "aws_lambda_powertools",
    "aws_lambda_powertools.logging.formatter",
    "aws_lambda_powertools.metrics",
    "aws_lambda_powertools.tracing",
    "aws_lambda_powertools.utilities.batch",
    "cryptography.hazmat.primitives.asymmetric.ec",
    "cryptography.hazmat.primitives.serialization",
    "jsonschema",
    "re2",
    "wrapt",
)

# The most used ones; the data of others is read by the worker that needs it.
SERVICES = ("dynamodb", "events", "lambda", "s3", "sqs", "ssm")


def add_layers(layers: list[str]) -> None:
    """Put layers on the path as a worker does, whose order decides which of two versions of a library is imported."""
    for layer in layers:
        python = os.path.join(layer, "python")
        if os.path.isdir(python):
            sys.path.insert(0, python)
            for version in sorted(os.listdir(lib)) if os.path.isdir(lib := os.path.join(python, "lib")) else ():
                site.addsitedir(os.path.join(lib, version, "site-packages"))
        sys.path.insert(0, layer)


@contextmanager
def record_reads() -> Iterator[dict[str, str | None]]:
    """The environment variables that are read in the block, with their values; ``*`` if all of them are."""
    reads: dict[str, str | None] = {}
    plain: Any = type(os.environ)

    class Recording(plain):
        def __getitem__(self, name: str) -> str:
            reads[name] = None
            reads[name] = value = super().__getitem__(name)
            return value

        def __iter__(self) -> Iterator[str]:
            reads["*"] = ""
            return super().__iter__()

    os.environ.__class__ = Recording
    try:
        yield reads
    finally:
        os.environ.__class__ = plain


def import_libraries(libraries: tuple[str, ...]) -> None:
    for library in libraries:
        try:
            importlib.import_module(library)
        except ModuleNotFoundError as error:
            if error.name != library.partition(".")[0]:
                raise


def read_service_models() -> None:
    """Parse the SDK's data files once for all workers: creating the first client takes 150 ms of CPU, most of it for parsing.

    Workers inherit nothing else of the clients made here: not their session, credentials or connections.
    """
    try:
        import botocore.session
    except ModuleNotFoundError:
        return
    botocore.session.create_loader = cache(botocore.session.create_loader)
    session = botocore.session.Session()
    session.set_credentials("none", "none")
    for service in SERVICES:
        session.create_client(service, region_name="eu-central-1").close()


def serve(control: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """Fork workers until the server is retired. Returns only in a worker, with its request and its three descriptors."""
    statuses: dict[int, int] = {}
    woken, wake = os.pipe()
    os.set_blocking(woken, False)
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    retired = False
    while statuses or not retired:
        sources: list[Any] = [control, woken]
        readable, _, _ = select.select(sources, [], [])
        if woken in readable:
            os.read(woken, 4096)
            report_ended(statuses)
        if control not in readable:
            continue
        message, descriptors, _, _ = socket.recv_fds(control, 1 << 20, 4)
        if not message:
            for pid in statuses:
                os.kill(pid, signal.SIGKILL)
            break
        if not descriptors:
            retired = True
            continue
        *streams, status = descriptors
        pid = os.fork()
        if not pid:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            control.close()
            for descriptor in (woken, wake, status, *statuses.values()):
                os.close(descriptor)
            return json.loads(message), streams
        statuses[pid] = status
        os.write(status, b"%d\n" % pid)
        for descriptor in streams:
            os.close(descriptor)
    os._exit(0)


def report_ended(statuses: dict[int, int]) -> None:
    while statuses:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        descriptor = statuses.pop(pid)
        with suppress(BrokenPipeError):  # the emulator has closed the pipe
            os.write(descriptor, b"%d\n" % os.waitstatus_to_exitcode(status))
        os.close(descriptor)


def become_worker(request: dict[str, Any], streams: list[int], path: list[str]) -> None:
    """Run the worker's script as ``python <script>`` would with these streams, folder and environment."""
    for number, descriptor in enumerate(streams):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    script = request["script"]
    sys.argv[:] = [script]
    sys.path[:] = [os.path.dirname(script), *path]
    main = types.ModuleType("__main__")
    main.__file__ = script
    sys.modules["__main__"] = main
    with open(script, "rb") as source:
        code = compile(source.read(), script, "exec", dont_inherit=True)
    exec(code, vars(main))


if __name__ == "__main__":
    interpreter_path = sys.path[1:]
    sys.path[:] = interpreter_path
    add_layers(sys.argv[2:])
    with record_reads() as reads:
        import_libraries(LIBRARIES)
    read_service_models()
    sys.path[:] = interpreter_path
    connection = socket.socket(fileno=int(sys.argv[1]))
    connection.send(json.dumps(reads).encode())
    gc.collect()
    gc.freeze()  # objects of the libraries stay on pages that all workers share
    become_worker(*serve(connection), interpreter_path)

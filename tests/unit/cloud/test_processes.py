"""Background processes of the local cloud: start, replacement, stop, and the code that they run."""

import ast
import importlib.util
import os
import socket
from dataclasses import replace
from functools import partial
from pathlib import Path

import grimp
import pytest

from local.cloud import processes
from local.cloud.processes import ALL, EMULATOR, FRONT_DOOR_PROCESS, STOREFRONT, CannotStart, Process
from local.ports import answering
from model.settings import ROOT

PACKAGES = ("local", "model", "pages", "tools", "bench", "apigw_executor", "setpieces")


@pytest.fixture
def state(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "STATE", tmp_path)
    return tmp_path


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def server(port: int, module: str = "http.server") -> Process:
    arguments = (str(port), "--bind", "127.0.0.1")
    ready = partial(answering, f"http://127.0.0.1:{port}/README.md")
    return Process("front-door", module, arguments, port, ready, lambda: {"PATH": os.environ["PATH"]}, ())


def test_start_and_stop_are_idempotent(state, port):
    process = server(port)
    assert process.start() is True
    first = process.pid()
    assert process.start() is False
    assert process.pid() == first
    assert process.stop() is True
    assert process.stop() is False
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_a_port_in_use_is_reported_with_the_variable_that_changes_it(state):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        with pytest.raises(CannotStart, match=r"in use.*SETPIECES_FRONT_DOOR_PORT"):
            server(listener.getsockname()[1]).start()


def test_the_last_log_lines_of_a_failed_process_are_reported(state, port):
    with pytest.raises(CannotStart, match="No module named"):
        server(port, "no_such_module").start()


def test_a_recorded_id_of_another_program_is_ignored(state, port):
    process = server(port)
    process.pid_file.write_text(str(os.getpid()))
    assert process.pid() is None
    assert process.stop() is False


def test_start_replaces_a_process_of_another_version(state, port, monkeypatch):
    process = replace(server(port), folders=("local/storefront",))
    assert process.start() is True
    assert process.start() is False
    first = process.pid()
    monkeypatch.setattr(Process, "version", lambda _: "another")
    assert process.start() is True
    assert process.pid() != first
    assert process.stop() is True


def test_start_replaces_a_process_of_another_configuration(state, port):
    process = server(port)
    assert process.start() is True
    try:
        assert replace(process, configuration=lambda: "").start() is False
        assert replace(process, configuration=lambda: "another token").start() is True
    finally:
        process.stop()


def test_the_code_of_a_process_is_its_folder_and_the_rooms_below():
    emulator = {str(file.relative_to(ROOT)) for file in EMULATOR.code()}
    assert {
        "local/emulator/server.py",
        "local/emulator/firehose.py",
        "local/emulator/function_workers/pool.py",
        "local/settings.py",
        "model/settings.py",
    } <= emulator
    front_door = {str(file.relative_to(ROOT)) for file in FRONT_DOOR_PROCESS.code()}
    assert {
        "local/front_door/cdn.py",
        "local/front_door/http_protocol.py",
        "packages/apigw-executor/src/apigw_executor/__init__.py",
    } <= front_door
    assert not any(name.startswith("local/emulator/") for name in front_door)


@pytest.mark.parametrize(
    "process", [process for process in ALL if process is not STOREFRONT], ids=lambda each: each.name
)
def test_a_process_imports_only_its_folders(process):
    """``make start`` compares the files of these folders: an edit of any other file would leave the old process running."""
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    imported = {process.module, *graph.find_upstream_modules(process.module)}
    files = {module: source_of(module) for module in imported}
    assert {module: file for module, file in files.items() if file not in process.code()} == {}


def source_of(module: str) -> Path:
    spec = importlib.util.find_spec(module)
    assert spec
    assert spec.origin
    return Path(spec.origin)


def test_the_storefront_imports_no_package_of_this_repository():
    imported = set()
    for file in (ROOT / "storefront").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_bytes())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add((node.module or "").partition(".")[0])
    assert "app" in imported
    assert imported & set(PACKAGES) == set()


def test_functions_do_not_inherit_the_developers_environment(monkeypatch):
    """Functions inherit the emulator's environment."""
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "PYTHONPATH", "ORDERS_TABLE"):
        monkeypatch.setenv(name, "a developer's")
    assert "a developer's" not in processes.EMULATOR.environment().values()


def test_functions_do_not_inherit_the_secret_of_root():
    secret = processes.aws()["AWS_SECRET_ACCESS_KEY"]
    assert secret not in " ".join(processes.EMULATOR.environment().values())

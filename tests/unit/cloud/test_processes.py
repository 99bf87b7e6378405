"""Background processes: found again, not confused with strangers, stopped completely."""

import os
import socket
from dataclasses import replace
from functools import partial

import pytest

from local.cloud import processes
from local.cloud.processes import CannotStart, Process
from local.ports import answering


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


def test_a_second_start_is_harmless_and_stop_ends_every_process(state, port):
    process = server(port)
    assert process.start() is True
    first = process.pid()
    assert process.start() is False
    assert process.pid() == first
    assert process.stop() is True
    assert process.stop() is False
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_a_taken_port_is_named_with_the_way_out(state):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        with pytest.raises(CannotStart, match=r"taken.*SETPIECES_FRONT_DOOR_PORT"):
            server(listener.getsockname()[1]).start()


def test_a_process_that_dies_shows_its_last_lines(state, port):
    with pytest.raises(CannotStart, match="No module named"):
        server(port, "no_such_module").start()


def test_a_recorded_id_of_another_program_is_not_ours(state, port):
    process = server(port)
    process.pid_file.write_text(str(os.getpid()))
    assert process.pid() is None
    assert process.stop() is False


def test_a_process_of_another_version_is_replaced(state, port, monkeypatch):
    process = replace(server(port), patterns=("LICENSE",))
    assert process.start() is True
    assert process.start() is False
    first = process.pid()
    monkeypatch.setattr(Process, "version", lambda _: "another")
    assert process.start() is True
    assert process.pid() != first
    assert process.stop() is True


def test_another_configuration_replaces_the_process(state, port):
    process = server(port)
    assert process.start() is True
    try:
        assert replace(process, configuration=lambda: "").start() is False
        assert replace(process, configuration=lambda: "another token").start() is True
    finally:
        process.stop()


def test_functions_do_not_inherit_the_developers_environment(monkeypatch):
    """They inherit what the emulator gets."""
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "PYTHONPATH", "ORDERS_TABLE"):
        monkeypatch.setenv(name, "a developer's")
    assert "a developer's" not in processes.EMULATOR.environment().values()


def test_functions_do_not_inherit_the_secret_of_root():
    secret = processes.aws()["AWS_SECRET_ACCESS_KEY"]
    assert secret not in " ".join(processes.EMULATOR.environment().values())

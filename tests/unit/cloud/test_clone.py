"""Copies of a shop's state: what is copied, and the ports in it."""

import socket
from pathlib import Path

import pytest

from local.cloud.clone import PORTS, Instance, copy, free_ports


@pytest.fixture
def source(tmp_path: Path) -> Instance:
    instance = Instance(tmp_path / "source", dict(zip(PORTS, (20400, 20401, 20402, 20403), strict=True)))
    instance.save()
    for folder in ("state", "s3/bucket", "lambda-runtime/bin", "build", "tmp"):
        (instance.state / folder).mkdir(parents=True)
    return instance


@pytest.fixture
def target(tmp_path: Path) -> Instance:
    instance = Instance(tmp_path / "target", dict(zip(PORTS, (31000, 31001, 31002, 31003), strict=True)))
    instance.save()
    return instance


def test_addresses_in_the_state_become_those_of_the_copy(source: Instance, target: Instance):
    urls = '{"http://localhost:20400/q": "http://127.0.0.1:20401/basket", "other": "127.0.0.1:204001, 20400"}'
    (source.state / "state" / "sqs.json").write_text(urls)
    copy(source, target)
    expected = '{"http://localhost:31000/q": "http://127.0.0.1:31001/basket", "other": "127.0.0.1:204001, 20400"}'
    assert (target.state / "state" / "sqs.json").read_text() == expected
    assert (source.state / "state" / "sqs.json").read_text() == urls


def test_secrets_stay_private_and_objects_unchanged(source: Instance, target: Instance):
    secret, item = source.state / "samples.json", source.state / "s3" / "bucket" / "key"
    secret.write_text('{"endpoint": "http://127.0.0.1:20400"}')
    secret.chmod(0o600)
    item.write_bytes(b"http://127.0.0.1:20400")
    copy(source, target)
    copied = target.state / "samples.json"
    assert copied.read_text() == '{"endpoint": "http://127.0.0.1:31000"}'
    assert copied.stat().st_mode & 0o777 == 0o600
    assert (target.state / "s3" / "bucket" / "key").read_bytes() == b"http://127.0.0.1:20400"


def test_process_files_and_temporary_files_are_not_copied(source: Instance, target: Instance):
    for name in ("emulator.pid", "emulator.version", "emulator.log", "iam-usage.jsonl", "tmp/function"):
        (source.state / name).write_text("1")
    copy(source, target)
    names = {path.name for path in target.state.iterdir()}
    assert names == {"instance.json", "state", "s3", "lambda-runtime", "build"}
    assert (target.state / "lambda-runtime").is_symlink()
    assert Instance.load(target.state) == target


def test_ports_in_use_are_not_free(monkeypatch: pytest.MonkeyPatch):
    (port,) = free_ports(1)
    monkeypatch.setattr("local.cloud.clone.FIRST_PORT", port)
    monkeypatch.setattr("local.cloud.clone.LAST_PORT", port + 1000)
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(type=kind) as listener:
            listener.bind(("127.0.0.1", port))
            assert port not in free_ports(900)

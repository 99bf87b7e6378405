"""The secrets of a local cloud: one for each state folder, private, and the same for concurrent processes."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from click.testing import CliRunner

from local import settings
from local.cloud import aws_env
from local.credentials import FILE, derived, root_secret, token


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_folder_has_one_private_secret(tmp_path: Path):
    state = tmp_path / "state"
    secret = root_secret(state)
    assert root_secret(state) == secret
    assert len(secret) == 40  # as on AWS
    assert root_secret(tmp_path / "another") != secret
    assert (mode(state), mode(state / FILE)) == (0o700, 0o600)
    assert [file.name for file in state.iterdir()] == [FILE]


def test_the_folder_becomes_private(tmp_path: Path):
    tmp_path.chmod(0o755)
    root_secret(tmp_path)
    assert mode(tmp_path) == 0o700


def test_concurrent_processes_create_one_secret(tmp_path: Path):
    with ThreadPoolExecutor(16) as threads:
        assert len(set(threads.map(root_secret, [tmp_path / "state"] * 64))) == 1


def test_derived_secrets_differ_by_purpose():
    assert len({"secret", token("secret"), derived("secret", "a"), derived("secret", "b"), token("another")}) == 5


def test_the_environment_of_the_command_line(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(settings, "STATE", tmp_path)
    printed = CliRunner().invoke(aws_env.main, catch_exceptions=False).output.splitlines()
    assert all(line.startswith("export AWS_") for line in printed)
    secret = json.loads((tmp_path / FILE).read_text())["secret_access_key"]
    assert f"export AWS_SECRET_ACCESS_KEY={secret}" in printed

"""``python -m apigw_executor``: an API document over HTTP, and errors as one line."""

from __future__ import annotations

import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from gateway_fakes import HANG

DOCUMENT = Path(__file__).parents[1] / "examples" / "mock-cors" / "openapi.yaml"
SOURCE = Path(__file__).parents[1] / "src"  # not there when the installed package is tested
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
ENVIRONMENT = {"PYTHONPATH": str(SOURCE), "HOME": "/nonexistent", "AWS_EC2_METADATA_DISABLED": "true"}


def start(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    """The command, with the document's endpoint where nothing listens."""
    return subprocess.Popen(
        [sys.executable, "-m", "apigw_executor", *arguments, "--endpoint", "http://127.0.0.1:1", "--port", "0"],
        env=ENVIRONMENT | environment,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def url() -> Iterator[str]:
    process = start(str(DOCUMENT), **CREDENTIALS)
    assert process.stderr is not None
    try:
        addresses = (re.search(r" at (http://127\.0\.0\.1:\d+)", line) for line in process.stderr)
        yield next(match[1] for match in addresses if match)
    finally:
        process.terminate()
        process.communicate(timeout=HANG)


def test_the_document_is_served_over_http(url: str) -> None:
    with urllib.request.urlopen(f"{url}/items", timeout=HANG) as response:
        assert (response.status, response.read()) == (200, b'{"stage": "prod", "path": "/items"}')


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        ((str(DOCUMENT),), {}, "no credentials"),
        (("missing.yaml",), CREDENTIALS, "missing.yaml"),
        ((__file__,), CREDENTIALS, "not"),
        ((str(DOCUMENT), "--variable", "name"), CREDENTIALS, "NAME=VALUE"),
        ((str(DOCUMENT), "--host", "192.0.2.1"), CREDENTIALS, "assign requested address"),
    ],
)
def test_an_error_is_one_line_and_exit_code_2(
    arguments: tuple[str, ...], environment: dict[str, str], message: str
) -> None:
    process = start(*arguments, **environment)
    _, errors = process.communicate(timeout=HANG)
    assert process.returncode == 2
    assert message in errors.splitlines()[-1]
    assert "Traceback" not in errors

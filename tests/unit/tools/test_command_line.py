"""Every target of make with a wrong argument and without a shop: a message with the remedy, an exit code, no traceback."""

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import NoneType
from typing import NamedTuple

import click
import pytest
from click.testing import CliRunner, Result

from local.cloud.clone import free_ports
from local.settings import HOST
from model.settings import ROOT
from tools import cli, failures

START = "make start"


class Row(NamedTuple):
    """What a target says: ``wrong`` are variables with a wrong value and part of what is printed then; ``stopped`` are
    variables with right values, the exit code and part of what is printed when no shop runs. None where a target takes no
    variable, or needs no shop; ``why`` then says what it does instead.
    """

    command: str = ""
    wrong: tuple[dict[str, str], str] | None = None
    stopped: tuple[dict[str, str], int, str] | None = None
    why: str = ""


STARTS_IT = "it starts the shop, for which see start"
TOOL = "runs another program, which prints for itself"
SEED = {"SETPIECES_SEED": "one"}, "SETPIECES_SEED is 'one'"
ROWS: dict[str, Row] = {
    "help": Row(why="prints the Makefile"),
    "start": Row("start", SEED, None, STARTS_IT),
    "watch": Row("watch", SEED, None, STARTS_IT),
    "stop": Row("stop", SEED, ({}, 0, "No process was running")),
    "reset": Row("reset", SEED, ({}, 0, "No state to delete")),
    "env": Row(why="prints settings, whether the shop runs or not"),
    "demo": Row("demo", SEED, ({}, 1, START)),
    "feed": Row("feed", ({"TYPE": "prodct"}, "Did you mean product?"), ({"TYPE": "product"}, 1, START)),
    "redirects": Row("redirects", ({"FILE": "READM.md"}, "Did you mean README.md?"), ({}, 1, START)),
    "sitemaps": Row("sitemaps", ({"DRY_RUN": "perhaps"}, "DRY_RUN"), ({}, 1, START)),
    "status": Row("status", SEED, ({}, 1, START)),
    "addresses": Row("addresses", SEED, ({}, 1, START)),
    "logs": Row("logs", ({"SINCE": "yesterday"}, "for example 10m"), ({"FN": "basket-add-item"}, 1, START)),
    "invoke": Row(
        "invoke",
        ({"FN": "basket-add-item", "EVENT": "Makefile"}, "Makefile is not valid JSON"),
        ({"FN": "basket-add-item", "EVENT": "events/basket/add_item.json"}, 1, START),
    ),
    "events": Row("events", SEED, ({}, 1, START)),
    "trace": Row("trace", ({"ORDER": "100000001"}, "T and nine to twelve digits"), ({"ORDER": "T100000001"}, 1, START)),
    "mail": Row("mail", SEED, ({}, 1, START)),
    "parity": Row("parity", SEED, ({}, 0, "differences")),
    "test": Row(why=TOOL),
    "lint": Row(why=TOOL),
    "format": Row(why=TOOL),
    "test-unit": Row(why=TOOL),
    "test-interleavings": Row(why=TOOL),
    "test-templates": Row(why=TOOL),
    "test-contract": Row(why=TOOL),
    "test-second-opinion": Row(why=TOOL),
    "test-packages": Row(why=TOOL),
    "test-integration": Row("start", SEED, None, STARTS_IT),
    "test-abuse": Row("start", SEED, None, STARTS_IT),
    "test-browser": Row("start", SEED, None, STARTS_IT),
    "test-resilience": Row("start", SEED, None, STARTS_IT),
    "test-deployed": Row("seed", ({"SETPIECES_STAGE": "dve"}, "Valid stages: local, dev, test, prod"), ({}, 1, START)),
    "torture": Row("torture", ({"SEED": "one"}, "SEED"), None, STARTS_IT),
    "iam-report": Row("iam-report", ({"ALL": "perhaps"}, "ALL"), ({}, 1, START)),
    "iam-mutation": Row("iam-mutation", ({"SAMPLE": "0"}, "SAMPLE"), None, STARTS_IT),
    "condition-mutation": Row(
        "condition-mutation", ({"ONLY": "vouchrs"}, "Did you mean vouchers?"), None, "needs no shop"
    ),
    "bench": Row("bench", ({"BENCH": "vouchrs"}, "Did you mean vouchers?"), None, STARTS_IT),
    "bench-docs": Row("bench-docs", SEED, None, "works on results of earlier measurements"),
    "load": Row("load", ({"MINUTES": "few"}, "MINUTES"), None, STARTS_IT),
    "cost": Row("cost", ({"MEASURE": "perhaps"}, "MEASURE"), ({"MEASURE": "1"}, 1, START)),
    "bootstrap": Row(
        "deploy",
        ({"ENV": "dev", "PIECE": "delivery"}, "REPOSITORY=owner/name"),
        ({"ENV": "local", "PIECE": "delivery", "REPOSITORY": "owner/name"}, 1, START),
    ),
    "deploy": Row("deploy", ({"ENV": "dve"}, "Did you mean dev?"), ({"ENV": "local"}, 1, START)),
    "preflight": Row(
        "preflight", ({"ENV": "dve"}, "Did you mean dev?"), ({"ENV": "local"}, 1, "Set ENV=dev, test or prod")
    ),
    "smoke": Row("smoke", SEED, ({}, 1, START)),
    "destroy": Row("destroy", ({"ENV": "dev", "PIECE": "baskt"}, "Did you mean basket?"), ({"ENV": "local"}, 1, START)),
    "build": Row("build", ({"PIECE": "baskt"}, "Did you mean basket?"), None, "needs no shop"),
    "image": Row("image", ({"ENV": "dve"}, "Did you mean dev?"), None, "needs no shop"),
    "piece": Row("piece", ({"NAME": "Coupons"}, "make piece NAME=gift-cards"), None, "needs no shop"),
    "generate": Row("generate", SEED, None, "needs no shop"),
    "install": Row(why="installs what the others need"),
    "lock": Row(why=TOOL),
}
WRONG = {target: row.wrong for target, row in ROWS.items() if row.wrong}
STOPPED = {target: row.stopped for target, row in ROWS.items() if row.stopped}
# What they do depends on processes and files of the state: each in a process with an empty one.
OWN_STATE = ("reset", "status", "stop")
MISSING = {
    "invoke": "make invoke FN=basket-add-item EVENT=events/basket/add_item.json",
    "trace": "make trace ORDER=",
    "feed": "make feed TYPE=product",
    "deploy": "make deploy ENV=dev",
    "destroy": "make destroy ENV=dev",
    "preflight": "make preflight ENV=dev",
}


def targets() -> dict[str, str]:
    """{target: recipe} of every documented target of the Makefile."""
    text = (ROOT / "Makefile").read_text()
    return {match[1]: match[2] for match in re.finditer(r"^([a-z-]+):.* ## .*\n((?:\t.*\n)*)", text, re.MULTILINE)}


def run(tmp_path: Path, command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own, because settings are read on import, with an empty state and free ports."""
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environment |= {"SETPIECES_STATE": str(tmp_path / "state"), "COLUMNS": "200"}
    for name in ("AWS", "FRONT_DOOR", "STOREFRONT", "SESSIONS"):
        environment[f"SETPIECES_{name}_PORT"] = str(free_ports(1)[0])
    return subprocess.run(
        [sys.executable, "-m", "tools.cli", command],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def test_every_target_of_make_has_a_row_in_the_table():
    assert set(ROWS) == set(targets())
    assert [name for name, row in ROWS.items() if not (row.wrong and row.stopped) and not row.why] == []


@pytest.mark.parametrize("target", sorted(set(ROWS) - {"lock"}))
def test_a_row_has_the_command_that_its_target_runs(target: str):
    command = ROWS[target].command
    recipe = (ROOT / "Makefile").read_text() if command == "start" else targets()[target]
    assert f"tools.cli {command}" in recipe or not command


def invoke(command: str, **variables: str) -> Result:
    """Run a command in this process with these variables of make."""
    return CliRunner(env=variables).invoke(cli.cli, [command])


@pytest.mark.parametrize("target", sorted(WRONG))
def test_a_wrong_argument_is_a_usage_error(target: str):
    variables, expected = WRONG[target]
    result = invoke(ROWS[target].command, **variables)
    assert (result.exit_code, result.stdout, type(result.exception)) == (2, "", SystemExit)
    assert expected in result.stderr


@pytest.mark.parametrize("target", sorted(set(STOPPED) - set(OWN_STATE)))
def test_without_a_running_shop_the_message_says_how_to_start_it(monkeypatch: pytest.MonkeyPatch, target: str):
    monkeypatch.setattr(failures, "AWS_PORT", free_ports(1)[0])
    variables, code, expected = STOPPED[target]
    result = invoke(ROWS[target].command, **variables)
    assert (result.exit_code, type(result.exception)) == (code, SystemExit if code else NoneType), result.output
    assert expected in result.output


@pytest.mark.parametrize("target", OWN_STATE)
def test_without_a_shop_and_its_state_the_message_says_so(tmp_path: Path, target: str):
    _, code, expected = STOPPED[target]
    process = run(tmp_path, target)
    assert (process.returncode, "Traceback" in process.stderr) == (code, False), process.stderr
    assert expected in process.stdout


@pytest.mark.parametrize("command", MISSING)
def test_a_missing_argument_is_shown_in_an_example(command: str):
    result = invoke(command)
    assert (result.exit_code, type(result.exception)) == (2, SystemExit)
    assert MISSING[command] in result.stderr


@pytest.mark.parametrize(
    ("variables", "code", "expected"),
    [
        (("trace", "ORDER=12"), 2, "T and nine to twelve digits"),
        (("logs", "FN=a'b\"c"), 1, START),
        (("status",), 1, START),
    ],
)
def test_make_passes_its_variables_to_the_command(tmp_path: Path, variables: tuple[str, ...], code: int, expected: str):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    environment |= {"SETPIECES_STATE": str(tmp_path / "state"), "SETPIECES_AWS_PORT": str(free_ports(1)[0])}
    process = subprocess.run(
        ["make", "--no-print-directory", f"--assume-old={ROOT / '.venv/.installed'}", *variables],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert f"Error {code}" in process.stderr
    assert expected in process.stdout + process.stderr
    assert "Traceback" not in process.stderr


@pytest.mark.parametrize("port", ["abc", "0", "70000"])
def test_an_invalid_port_is_named(port: str):
    result = invoke("status", SETPIECES_AWS_PORT=port)
    assert result.exit_code == 2
    assert f"SETPIECES_AWS_PORT is '{port}'" in result.stderr


def test_a_state_that_cannot_be_written_is_named(tmp_path: Path):
    (tmp_path / "state").write_text("a file")
    process = run(tmp_path, "start")
    assert (process.returncode, "Traceback" in process.stderr) == (1, False), process.stderr
    assert str(tmp_path / "state") in process.stderr


def test_ctrl_c_prints_no_traceback(tmp_path: Path):
    """While it waits for a response of a server that sends none."""
    with socket.create_server((HOST, 0)) as silent:
        environment = os.environ | {"SETPIECES_AWS_PORT": str(silent.getsockname()[1]), "SETPIECES_STAGE": "local"}
        process = subprocess.Popen(
            [sys.executable, "-m", "tools.cli", "mail"],
            cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip
        silent.settimeout(60)
        # The first connection only checks for a listener.
        silent.accept()
        silent.accept()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Traceback" not in errors


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch):
    @click.command()
    def broken() -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(cli.CommandLine, "get_command", lambda self, ctx, name: broken)
    result = CliRunner().invoke(cli.cli, ["status"])
    assert isinstance(result.exception, ZeroDivisionError)


def test_an_unknown_command_is_a_usage_error():
    result = invoke("statu")
    assert result.exit_code == 2
    assert "'status'" in result.stderr


def test_help_is_grouped_and_fits_a_terminal():
    process = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    groups = [line for line in process.stdout.splitlines() if line and not line.startswith(" ")]
    assert groups == ["Everyday", "Look inside", "Check", "Measure", "Deploy", "Maintain"]
    assert [line for line in process.stdout.splitlines() if len(line) > 100] == []
    assert re.findall(r"^  make ([a-z-]+)", process.stdout, re.MULTILINE) == list(targets())

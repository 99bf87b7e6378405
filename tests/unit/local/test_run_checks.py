"""``make test``: what is counted and printed, and that nothing outlives it."""

import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from local.cloud.stop import is_running
from tests import checks, run
from tests.checks import Check
from tests.run import Interrupted, Result, Runner, summarise
from tools.client import eventually

JUNIT = """<testsuites><testsuite>
<testcase classname="tests.integration.test_basket" name="a" time="1.5"/>
<testcase classname="tests.integration.test_basket" name="b" time="0.5"><failure message="no"/></testcase>
<testcase classname="tests.abuse.test_http.Group" name="c" time="0.25"><error message="no"/></testcase>
<testcase classname="" name="tests.abuse.test_fuzz" time="0.0"><error message="collection failure"/></testcase>
<testcase classname="tests.browser.test_shopping" name="d" time="3"><skipped/></testcase>
</testsuite></testsuites>"""


@pytest.fixture(autouse=True)
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(run, "LOGS", tmp_path)
    monkeypatch.setattr(checks, "LOGS", tmp_path)
    monkeypatch.setattr(run, "ROOT", tmp_path)
    return tmp_path


def shell(name: str, script: str) -> Check:
    return Check(name, name, ("sh", "-c", script))


def test_a_failed_check_is_printed_and_the_others_run(capfd: pytest.CaptureFixture[str]):
    runner = Runner()
    run.run_checks(runner, [shell("bad", "echo reason; exit 3"), shell("good", "echo 7 files")], at_once=1, nice=0)
    assert capfd.readouterr().out.count("reason") == 2
    assert not summarise(runner, 61)
    printed = capfd.readouterr().out.splitlines()
    assert "FAILED: bad, all of it is in bad.log" in printed
    assert printed[-1] == "1 passed, 1 failed"


def test_tests_are_counted_by_kind(logs: Path, capfd: pytest.CaptureFixture[str]):
    (logs / "shop-tests.xml").write_text(JUNIT)
    runner = Runner()
    runner.check(shell("shop-tests", "exit 1"))
    assert runner.results == [
        Result("integration", 1, 1, 0, 2.0),
        Result("abuse", 0, 2, 0, 0.25),
        Result("browser", 0, 0, 1, 3.0),
    ]
    summarise(runner, 61)
    assert capfd.readouterr().out.splitlines()[-1] == "1 passed, 3 failed, 1 skipped"


def test_tests_that_all_pass_in_a_run_that_does_not_are_a_failure(logs: Path):
    (logs / "unit.xml").write_text('<testsuite><testcase classname="tests.unit.a" name="a" time="1"/></testsuite>')
    runner = Runner()
    runner.check(shell("unit", "exit 1"))
    assert [(result.name, result.passed, result.failed) for result in runner.results] == [
        ("unit", 1, 0),
        ("unit", 0, 1),
    ]
    assert not summarise(runner, 61)


def test_progress_is_the_number_of_tests(logs: Path):
    log = logs / "unit.log"
    log.write_text("bringing up nodes...\n\n....F.. [ 58%]\n..E")
    assert run.progress(log) == "(10 tests, 2 failed)"
    log.write_text("All checks passed!\n")
    assert run.progress(log) == ""


def test_a_check_that_cannot_be_installed_fails(logs: Path, capfd: pytest.CaptureFixture[str]):
    runner = Runner()
    assert not runner.check(Check("tool", "lint", ("true",), needs=("no-such-target",)))
    assert "no-such-target" in capfd.readouterr().out


def test_stopping_ends_what_runs_with_its_children(logs: Path):
    runner = Runner()
    raised: list[BaseException] = []

    def check() -> None:
        try:
            runner.check(shell("long", "sleep 600 & echo $! > child; wait"))
        except Interrupted as interrupted:
            raised.append(interrupted)

    thread = threading.Thread(target=check)
    thread.start()
    pid_file = logs / "child"
    child = psutil.Process(int(eventually(lambda: pid_file.exists() and pid_file.read_text().strip())))
    runner.stop()
    thread.join(30)
    assert raised
    eventually(lambda: not is_running(child))
    with pytest.raises(Interrupted):
        runner.check(shell("late", "true"))


def test_only_shops_of_this_run_are_stopped(logs: Path):
    def started(state: Path) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-c", "import time; time.sleep(600)"], env={"SETPIECES_STATE": str(state)}
        )

    ours, other = started(logs / "shops" / "gw0"), started(logs / "shops-of-others")
    try:
        run.stop_processes(logs / "shops")
        ours.wait(20)
        assert other.poll() is None
    finally:
        for process in (ours, other):
            process.kill()
            process.wait()

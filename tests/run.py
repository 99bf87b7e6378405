"""Run every kind of check and summarise them: ``make test [ONLY="lint unit"] [SHOPS=4] [PYTEST="-k basket"]``.

Two lanes run at the same time, because tests of a shop mostly wait. One deploys a shop, makes copies of it
(``local.cloud.clone``) and spreads the files of the shop's tests over them, a copy for each pytest worker, since faults of
external systems are global in a shop. The other, with lower priority, has the checks that need no shop. All of it is in
``.local/shops``, apart from the developer's own shop.

The output of each check is in ``.local/checks/<name>.log``; that of a failed one is printed as well. A failed check stops no
other one. Exits 1 if any failed, 130 when interrupted; nothing is left running either way.
"""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from xml.etree import ElementTree

import click
import psutil
from rich.console import Console
from rich.table import Table

from local.cloud.clone import Instance
from local.settings import LINTED
from model.settings import ROOT
from tests.checks import CHECKS, IAM_REPORT, KINDS, LOGS, PYTHON, SAM, SHOP_KINDS, Check, pytest

SHOPS = ROOT / ".local" / "shops"
DEPLOYED = SHOPS / "deployed"
DURATIONS = ROOT / "tests" / "durations.json"
PROGRESS_SECONDS = 30


@dataclass(frozen=True)
class Result:
    """Of one kind of tests, or of one tool, which counts as one. ``seconds`` are of tests, if several kinds ran together."""

    name: str
    passed: int
    failed: int
    skipped: int
    seconds: float
    note: str = ""


class Interrupted(Exception):
    """The run is being stopped."""


class Runner:
    """Runs commands, each in a process group of its own, so that nothing of it outlives the run."""

    def __init__(self) -> None:
        self.started = time.monotonic()
        self.results: list[Result] = []
        self.failures: list[tuple[str, Path]] = []
        self._processes: dict[str, tuple[subprocess.Popen[bytes], Path]] = {}
        self.stopping = False
        self._lock = threading.RLock()
        self._installing = threading.Lock()

    def print(self, text: str) -> None:
        with self._lock:
            print(f"[{time.monotonic() - self.started:5.0f} s] {text}", flush=True)

    def run(self, check: Check, nice: int = 0) -> tuple[bool, float]:
        """(whether it succeeded, seconds). Raises ``Interrupted``."""
        started = time.monotonic()
        # What needs an interpreter's environment waits for its installation; done already, this takes no time.
        # One at a time: two would write the same folder.
        with self._installing if check.needs else nullcontext():
            installed = not check.needs or self._succeeds(check, ("make", "--silent", *check.needs), nice)
        return installed and self._succeeds(check, check.command, nice), time.monotonic() - started

    def _succeeds(self, check: Check, command: tuple[str, ...], nice: int) -> bool:
        with check.log.open("ab") as log:
            with self._lock:
                if self.stopping:
                    raise Interrupted
                process = subprocess.Popen(
                    ("nice", "-n", str(nice), *command),
                    cwd=ROOT,
                    env=os.environ | check.environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
                self._processes[check.name] = process, check.log
            code = process.wait()
        with self._lock:
            del self._processes[check.name]
            if self.stopping:
                raise Interrupted
        return code == 0

    def check(self, check: Check, nice: int = 0) -> bool:
        """Run a check and note its results; whether all of it passed."""
        self.print(f"{check.name} started")
        succeeded, seconds = self.run(check, nice)
        results = list(read_junit(check)) or [Result(check.name, int(succeeded), int(not succeeded), 0, seconds)]
        if not succeeded and not any(result.failed for result in results):
            results.append(Result(check.name, 0, 1, 0, 0, "did not end well"))
        if len(results) == 1:
            results = [replace(results[0], seconds=seconds)]
        with self._lock:
            self.results += results
            self.print(f"{check.name} {'passed' if succeeded else 'FAILED'} in {seconds:.0f} s: {last_line(check.log)}")
            if not succeeded:
                self.failures.append((check.name, check.log))
                print(check.log.read_text(errors="replace"), flush=True)
        return succeeded

    def not_run(self, names: tuple[str, ...], why: str) -> None:
        with self._lock:
            self.results += [Result(name, 0, 1, 0, 0, why) for name in names]

    def show_progress(self) -> None:
        """What runs now, and how far tests are."""
        with self._lock:
            running = [f"{name} {progress(log)}".strip() for name, (_, log) in self._processes.items()]
        if running:
            self.print(f"... {', '.join(running)}")

    def stop(self) -> None:
        """End what runs, and let nothing more start."""
        with self._lock:
            self.stopping = True
            running = [process for process, _ in self._processes.values()]
        for process in running:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        deadline = time.monotonic() + 10
        for process in running:
            try:
                process.wait(max(0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)


def read_junit(check: Check) -> Iterator[Result]:
    """The results of a pytest run by kind, which is the folder in ``tests``; nothing if there are none."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    seconds: dict[str, float] = defaultdict(float)
    for case in junit_cases(check.junit):
        path = case.get("classname") or case.get("name") or ""
        kind = path.split(".")[1].replace("_", "-") if path.startswith("tests.") else check.name
        outcome = next((tag for tag in ("failure", "error", "skipped") if case.find(tag) is not None), "passed")
        counts[kind][outcome] += 1
        seconds[kind] += float(case.get("time", 0))
    for kind, count in counts.items():
        yield Result(kind, count["passed"], count["failure"] + count["error"], count["skipped"], seconds[kind])


def junit_cases(file: Path) -> list[ElementTree.Element]:
    """The test cases of a JUnit XML file; none if the run did not get as far as to write it."""
    return list(ElementTree.parse(file).getroot().iter("testcase")) if file.exists() else []


def save_file_durations() -> None:
    """Write seconds by test file, longest first; of files that did not run now, those of before."""
    seconds: dict[str, float] = defaultdict(float)
    for case in junit_cases(LOGS / "shop-tests.xml"):
        seconds[case.get("classname", "").replace(".", "/") + ".py"] += float(case.get("time", 0))
    durations = json.loads(DURATIONS.read_text()) | {file: round(total, 1) for file, total in seconds.items()}
    existing = {file: total for file, total in durations.items() if (ROOT / file).is_file()}
    DURATIONS.write_text(json.dumps(dict(sorted(existing.items(), key=lambda item: -item[1])), indent=2) + "\n")


def last_line(log: Path) -> str:
    """The last line of a log with more than frames in it; of pytest, the number of tests by outcome."""
    lines = [line.strip(" =") for line in log.read_text(errors="replace").splitlines()]
    return next((line for line in reversed(lines) if re.search(r"\w", line)), "no finding")


def progress(log: Path) -> str:
    """How many tests have run, from the letters that pytest prints for each; "" if there are none."""
    lines = re.findall(r"^([.FEsxX]+)(?: +\[ *\d+%\])?$", log.read_text(errors="replace"), re.MULTILINE)
    results = Counter("".join(lines))
    failed = results["F"] + results["E"]
    return f"({results.total()} tests{f', {failed} failed' if failed else ''})" if results else ""


# --- the lane of the checks that need no shop ---


def run_checks(runner: Runner, checks: list[Check], at_once: int, nice: int) -> None:
    with ThreadPoolExecutor(at_once) as threads:
        for done in [threads.submit(runner.check, check, nice) for check in checks]:
            done.result()


# --- the lane of the shops ---


def shop_tool(name: str, instance: Instance, *command: str, needs: tuple[str, ...] = ()) -> Check:
    return Check(name, name, (*PYTHON, *command), needs, instance.environment | {LINTED: "1"})


def run_shop_tests(runner: Runner, kinds: tuple[str, ...], number: int, pytest_arguments: tuple[str, ...]) -> None:
    """Deploy, copy, test, and report on grants if all of the tests ran; shops are stopped when this returns."""
    reported = (IAM_REPORT,) if IAM_REPORT in kinds else ()
    tested = tuple(kind for kind in kinds if kind != IAM_REPORT)
    with ThreadPoolExecutor(1) as threads:
        chromium = threads.submit(runner.run, Check("chromium", "", ("make", "--silent", "chromium")))
        instances = start_shops(runner, number)
        if not chromium.result()[0]:
            runner.print("There is no Chromium for the browser tests: .local/checks/chromium.log")
    if not instances:
        runner.not_run((*tested, *reported), "the shops did not start")
        return
    shops_file = SHOPS / "shops.json"
    shops_file.write_text(json.dumps([instance.environment for instance in instances]))
    shop_tests = pytest(
        "shop-tests",
        *("--numprocesses", str(number), "--dist", "loadfile", "--no-loadscope-reorder"),
        *("--basetemp", str(SHOPS / "tests")),
        *pytest_arguments,
        *(f"tests/{kind}" for kind in tested),
        environment={"SETPIECES_SHOPS": str(shops_file), "SETPIECES_DEPLOYED": str(DEPLOYED)},
    )
    runner.check(shop_tests)
    if reported:
        evidence = [f"--usage={state / 'iam-usage.jsonl'}" for state in (DEPLOYED, *(one.state for one in instances))]
        runner.check(shop_tool(IAM_REPORT, instances[0], "tools.cli", "iam-report", *evidence))
    # Their state is not needed any more, and the other checks may have the machine to themselves.
    stop_processes(SHOPS)


def start_shops(runner: Runner, number: int) -> list[Instance]:
    """Deploy one shop, stop it, and start ``number`` copies; none if one does not start."""
    original = Instance.create(DEPLOYED)
    started = time.monotonic()
    runner.print("deploying a shop")
    for step in (
        shop_tool("deploy", original, "tools.cli", "start", needs=(SAM,)),
        shop_tool("stop-idle", original, "local.cloud.clone", "stop-idle"),
    ):
        if not succeeds(runner, step):
            return []
    copies = [Instance.create(SHOPS / f"gw{index}") for index in range(number)]
    steps = [shop_tool(f"start-{one.state.name}", one, "local.cloud.clone", "start", str(DEPLOYED)) for one in copies]
    with ThreadPoolExecutor(number) as threads:
        if not all(list(threads.map(lambda step: succeeds(runner, step), steps))):
            return []
    runner.print(f"{number} shops are running after {time.monotonic() - started:.0f} s")
    return copies


def succeeds(runner: Runner, step: Check) -> bool:
    """Run what is no check of its own, and show its output if it fails."""
    succeeded, _ = runner.run(step)
    if not succeeded:
        runner.print(f"{step.name} FAILED")
        runner.failures.append((step.name, step.log))
        print(step.log.read_text(errors="replace"), flush=True)
    return succeeded


def stop_processes(folder: Path) -> None:
    """End every process of the local cloud whose state is below ``folder``: those of tests that were cut off, too."""
    processes = [process for process in psutil.process_iter() if _state_of(process).startswith(f"{folder}{os.sep}")]
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    _, alive = psutil.wait_procs(processes, timeout=10)
    for process in alive:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def _state_of(process: psutil.Process) -> str:
    try:
        return str(process.environ().get("SETPIECES_STATE", ""))
    except psutil.Error:
        return ""


# --- the whole ---


def summarise(runner: Runner, seconds: float) -> bool:
    """Print what failed and the table of all; whether nothing failed. The last line has the number of tests and tools."""
    for name, log in runner.failures:
        print(f"\nFAILED: {name}, all of it is in {log.relative_to(ROOT)}")
        lines = log.read_text(errors="replace").splitlines()
        failed = [line for line in lines if line.startswith(("FAILED ", "ERROR "))]
        print("\n".join(failed or lines[-20:]))
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    table = Table("check", "passed", "failed", "skipped", "seconds", "note")
    for column in table.columns[1:5]:
        column.justify = "right"
    order = {name: place for place, name in enumerate([*(check.name for check in CHECKS), *SHOP_KINDS, IAM_REPORT])}
    for result in sorted(runner.results, key=lambda result: order.get(result.name, len(order))):
        cells = [str(number) for number in (result.passed, result.failed, result.skipped)]
        style = "red" if result.failed else ""
        table.add_row(result.name, *cells, f"{result.seconds:.0f}", result.note, style=style)
    console.print(table)
    passed, failed, skipped = (
        sum(getattr(result, name) for result in runner.results) for name in ("passed", "failed", "skipped")
    )
    print(f"{seconds / 60:.1f} minutes. Seconds of tests of the shops are sums over tests that ran at the same time.")
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return not failed and not runner.failures


def _with_arguments(check: Check, arguments: tuple[str, ...]) -> Check:
    """A check whose pytest has further arguments; another one as it is."""
    return replace(check, command=(*check.command, *arguments)) if "pytest" in check.command else check


def _wait(runner: Runner, work: list[Future[None]]) -> None:
    """Until all is done; says from time to time how far it is."""
    pending = set(work)
    while pending:
        done, pending = wait(pending, timeout=PROGRESS_SECONDS)
        for future in done:
            future.result()
        if not done:
            runner.show_progress()


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@click.command()
@click.argument("only", nargs=-1, type=click.Choice(KINDS))
@click.option(
    "--shops", default=4, show_default=True, type=click.IntRange(1, 16), help="How many shops share the tests."
)
@click.option(
    "--pytest",
    "pytest_arguments",
    default="",
    envvar="PYTEST",
    help="Further arguments of pytest, for example -k basket.",
)
@click.option("--save-durations", is_flag=True, help="Write tests/durations.json, by which files are spread.")
def main(only: tuple[str, ...], shops: int, pytest_arguments: str, save_durations: bool) -> None:
    """Run every kind of check, or ONLY some kinds."""
    more = tuple(shlex.split(pytest_arguments))
    shutil.rmtree(LOGS, ignore_errors=True)
    LOGS.mkdir(parents=True)
    stop_processes(SHOPS)
    shutil.rmtree(SHOPS, ignore_errors=True)
    runner = Runner()
    kinds = only or KINDS
    shop_kinds = tuple(kind for kind in (*SHOP_KINDS, IAM_REPORT) if kind in kinds)
    # Part of the tests would leave grants unused.
    if more or set(SHOP_KINDS) - set(shop_kinds):
        shop_kinds = tuple(kind for kind in shop_kinds if kind != IAM_REPORT)
    checks = [_with_arguments(check, more) for check in CHECKS if check.kind in kinds]
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        with ThreadPoolExecutor(2) as lanes:
            try:
                # The shops come first: their tests take longest.
                at_once, nice = (1, 10) if shop_kinds else (2, 0)
                work = [lanes.submit(run_checks, runner, checks, at_once, nice)]
                if shop_kinds:
                    work.append(lanes.submit(run_shop_tests, runner, shop_kinds, shops, more))
                _wait(runner, work)
            except KeyboardInterrupt:
                runner.stop()
    finally:
        stop_processes(SHOPS)
    if runner.stopping:
        print("Interrupted; nothing is left running.")
        raise SystemExit(130)
    if save_durations:
        save_file_durations()
    raise SystemExit(0 if summarise(runner, time.monotonic() - runner.started) else 1)


if __name__ == "__main__":
    main()

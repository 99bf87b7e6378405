"""``make condition-mutation``: weaken each condition of a write to DynamoDB, one clause at a time, and check that a test fails.

    make condition-mutation                 every clause; writes tests/interleavings/conditions.json
    make condition-mutation ONLY=vouchers   those of one service

The races of tests/interleavings and the unit tests record the clauses that they send (tests/conditions.py). In a copy of the
repository, a clause ``a = :b`` becomes ``a = :b OR NOT a = :b``, which always holds and uses the same names and values. The
tests that send the clause run there until one fails.
"""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape

from local.campaigns.conditions import IN_TEXT, Clause, clauses_outside_python, conditions_in, sites, weakened
from model.settings import ROOT
from tools.failures import did_you_mean

KNOWN = ROOT / "tests" / "interleavings" / "conditions.json"
NOTES = "SETPIECES_CONDITIONS"
_NO_TESTS = 5
# The service whose races test a file, if its folder has another name.
_SERVICES = {
    "schemas/api/sequences.yaml": "sequences",
    "statemachines/raise-sequence.asl.json": "sequences",
    "statemachines/generate-vouchers.asl.json": "vouchers",
    "functions/common/setpieces/sessions.py": "login",
    "functions/common/setpieces/attempts.py": "login",
}


def copy(folder: Path) -> Path:
    """Copy the repository's files from the working tree, with links to its virtual environments."""
    listed = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    for environment in ROOT.glob(".venv*"):
        (folder / environment.name).symlink_to(environment)
    return folder


def mutate(root: Path, clause: Clause) -> None:
    """Weaken one clause in a copy of the repository."""
    path = root / clause.file
    if not clause.file.endswith(".py"):
        text = path.read_text()
        match = list(IN_TEXT.finditer(text))[int(clause.function.removeprefix("number ")) - 1]
        path.write_text(text[: match.start(2)] + weakened(match[2], clause.text) + text[match.end(2) :])
        return
    source = path.read_bytes()
    lines = [0]
    for line in source.splitlines(keepends=True):
        lines.append(lines[-1] + len(line))
    expressions = [value for function, value in conditions_in(ast.parse(source)) if function == clause.function]
    for value in sorted(expressions, key=lambda each: -(lines[each.lineno - 1] + each.col_offset)):
        assert value.end_lineno
        assert value.end_col_offset is not None
        start = lines[value.lineno - 1] + value.col_offset
        end = lines[value.end_lineno - 1] + value.end_col_offset
        module = '__import__("local.campaigns.conditions", fromlist=["*"])'
        call = f"{module}.weakened(({source[start:end].decode()}), {json.dumps(clause.text)})"
        source = source[:start] + call.encode() + source[end:]
    path.write_bytes(source)


def service_of(file: str) -> str:
    return _SERVICES.get(file) or file.split("/")[1]


def unit_tests(file: str) -> list[str]:
    """The unit tests of the service as arguments of pytest."""
    service = service_of(file)
    return [f"tests/unit/{service}"] if (ROOT / "tests" / "unit" / service).is_dir() else []


def pytest(root: Path, arguments: list[str], **environment: str) -> str:
    """Run pytest until a test fails. Returns its id, "" if all pass."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *arguments],
        cwd=root, env=os.environ | environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    failed = [
        line.split(" ", 1)[1] for line in done.stdout.splitlines() if line.startswith(("FAILED tests", "ERROR tests"))
    ]
    if failed:
        return re.sub(r" - .*", "", failed[0])
    if done.returncode not in (0, _NO_TESTS):
        raise click.ClickException(f"pytest ended with {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return ""


def record_clauses(only: str) -> dict[tuple[str, str, str], list[str]]:
    """{(file, function, clause): tests that send it}, races first. The file is "" if no function built the condition."""
    files = sorted({site.file for site in sites() if only in ("", service_of(site.file))})
    # The races of feeds test the feed pipeline, too.
    races = ["tests/interleavings", *(["-k", only.partition("-")[0]] if only else [])]
    tests: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        notes = Path(folder) / "notes"
        for arguments in (races, sorted({argument for file in files for argument in unit_tests(file)})):
            notes.write_text("")
            failed = arguments and pytest(ROOT, ["-n", "auto", *arguments], **{NOTES: str(notes)})
            if failed:
                raise click.ClickException(f"{failed} fails without a mutation")
            for file, function, text, test in sorted(json.loads(line) for line in notes.read_text().splitlines()):
                if not file or file in files:
                    tests[file, function, text].append(test)
    return tests


def detect(clause: Clause, tests: list[str]) -> Clause:
    """The clause with the test that fails when it is weakened in a copy, "" for none. The test of the last run is first."""
    ordered = sorted(tests, key=lambda test: test != clause.detected_by)
    with tempfile.TemporaryDirectory() as folder:
        root = copy(Path(folder))
        mutate(root, clause)
        failed = pytest(root, ["-n", "0", *ordered], **{NOTES: os.devnull}) if ordered else ""
        return replace(clause, detected_by=failed)


def existing_service(ctx: click.Context, parameter: click.Parameter, only: str) -> str:
    services = sorted({service_of(site.file) for site in sites()})
    if only and only not in services:
        raise click.BadParameter(f"unknown service.{did_you_mean(only, services)}")
    return only


@click.command(epilog="make condition-mutation ONLY=vouchers")
@click.option("--only", envvar="ONLY", default="", callback=existing_service, help="A service.")
def main(only: str) -> None:
    """Weaken each condition of a DynamoDB write in a copy, one clause at a time, and check that a test fails."""
    console = Console(width=200, highlight=False)
    tests = record_clauses(only)
    rows = [Clause(**row) for row in json.loads(KNOWN.read_text())]
    before = {(row.file, row.function, row.text): row.detected_by for row in rows}
    keys = {key for key in tests if key[0]}
    keys |= {
        (each.file, each.function, each.text)
        for each in clauses_outside_python()
        if only in ("", service_of(each.file))
    }
    results = []

    def weaken(key: tuple[str, str, str]) -> Clause:
        return detect(Clause(*key, before.get(key, "")), tests.get(key) or tests.get(("", "", key[2]), []))

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for clause in pool.map(weaken, sorted(keys)):
            results.append(clause)
            result = f"detected by {escape(clause.detected_by)}" if clause.detected_by else "[red]not detected[/]"
            console.print(
                f"{len(results):3}/{len(keys)}  {clause.file} {clause.function}: {clause.text}\n         {result}"
            )
    undetected = [clause for clause in results if not clause.detected_by]
    console.print(f"{len(results) - len(undetected)} of {len(results)} mutations were detected by a test.")
    other_rows = [row for row in rows if only not in ("", service_of(row.file))]
    KNOWN.write_text(json.dumps([asdict(row) for row in sorted(other_rows + results)], indent=1) + "\n")
    raise SystemExit(1 if undetected else 0)


if __name__ == "__main__":
    main()

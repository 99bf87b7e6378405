"""``make condition-mutation``: weaken each condition of a write to DynamoDB, one clause at a time, and see that a test notices.

    make condition-mutation                 every clause; writes tests/interleavings/conditions.json
    make condition-mutation ONLY=vouchers   those of one service, without writing

Conditions are found in the sources: in Python by their place in the syntax tree, in API documents and state machines as text.
What a condition is made of while functions run is noted as the races of tests/interleavings and unit tests send it. A clause
``a = :b`` becomes ``a = :b OR NOT a = :b``, which always holds and uses the same names and values: in memory for the races, in
a copy of the repository for what they do not notice. The working tree is never changed.
"""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import click
from rich.console import Console

from local.failures import did_you_mean
from local.settings import ROOT

KNOWN = ROOT / "tests" / "interleavings" / "conditions.json"
NOTES = "SETPIECES_CONDITIONS"
_KEY = "ConditionExpression"
_TEXT = re.compile(rf'("{_KEY}": ")([^"]+)(")')
_WORD = re.compile(r"\bAND\b|\bOR\b|[()]")
# The service whose races a file is about, if it is not its folder.
_SERVICES = {
    "schemas/api/sequences.yaml": "sequences",
    "statemachines/raise-sequence.asl.json": "sequences",
    "statemachines/generate-vouchers.asl.json": "vouchers",
    "functions/common/setpieces/sessions.py": "login",
    "functions/common/setpieces/attempts.py": "login",
}
# Tests of what no race can show, after those of the service itself.
_OTHERS = {"functions/feeds": ("tests/unit/feed-pipeline",)}


@dataclass(frozen=True, order=True)
class Site:
    """Where a condition is written: ``function`` is the innermost one around it; in other files, the how manieth it is."""

    file: str
    function: str


@dataclass(frozen=True, order=True)
class Clause:
    """A clause of a condition, without the numbers of its placeholders, and the test that notices when it is weakened."""

    file: str
    function: str
    text: str
    noticed_by: str = ""


# --- conditions as text ---


def clauses(condition: str) -> list[str]:
    """The clauses of a condition that can be weakened alone: what AND joins, at any depth; else all of it."""
    condition = condition.strip()
    if condition.startswith("(") and _closing(condition, 0) == len(condition) - 1:
        return clauses(condition[1:-1])
    alternatives = _split(condition, "OR")
    if len(alternatives) > 1:
        inner = [clause for each in alternatives if len(clauses(each)) > 1 for clause in clauses(each)]
        return [*inner, condition]
    parts = _split(condition, "AND")
    return [clause for part in parts for clause in clauses(part)] if len(parts) > 1 else [condition]


def general(clause: str) -> str:
    """A clause without numbers and repetitions: ``#s IN (:was0, :was1)`` is ``#s IN (:was)``."""
    text = re.sub(r"(?<=[a-z_])_?\d+\b", "", " ".join(clause.split()))
    return re.sub(r"(:\w+)(?:, \1\b)+", r"\1", text)


def weakened(condition: str, clause: str) -> str:
    """The condition with a clause that always holds, where it has that clause; else as it is."""
    for each in clauses(condition):
        if general(each) == clause:
            opposite = f"NOT ({each})" if len(_split(each, "OR")) + len(_split(each, "AND")) > 2 else f"NOT {each}"
            always = f"{each} OR {opposite}"
            return always if each == condition.strip() else condition.replace(each, f"({always})", 1)
    return condition


def noted(condition: str, file: str, function: str) -> str:
    """The condition, entered in the notes of the run."""
    with open(os.environ[NOTES], "a") as notes:
        for clause in clauses(condition) if condition else ():
            notes.write(json.dumps([file, function, general(clause)]) + "\n")
    return condition


def _split(text: str, word: str) -> list[str]:
    """``text`` at each ``word`` outside of parentheses."""
    parts, depth, start = [], 0, 0
    for match in _WORD.finditer(text):
        depth += {"(": 1, ")": -1}.get(match[0], 0)
        if match[0] == word and not depth:
            parts.append(text[start : match.start()].strip())
            start = match.end()
    return [*parts, text[start:].strip()]


def _closing(text: str, opening: int) -> int:
    depth = 0
    for position in range(opening, len(text)):
        depth += {"(": 1, ")": -1}.get(text[position], 0)
        if not depth:
            return position
    return -1


# --- conditions in the sources ---


def sites(root: Path = ROOT) -> set[Site]:
    """Every place where a condition is written."""
    found = {Site(str(path.relative_to(root)), function) for path, function, _ in _in_python(root)}
    return found | {Site(clause.file, clause.function) for clause in written(root)}


def written(root: Path = ROOT) -> set[Clause]:
    """The clauses of conditions outside of Python."""
    return {
        Clause(str(path.relative_to(root)), f"number {number}", general(clause))
        for path in _other_files(root)
        for number, match in enumerate(_TEXT.finditer(path.read_text()), start=1)
        for clause in clauses(match[2])
    }


def _other_files(root: Path) -> list[Path]:
    folders = (("schemas", "*.yaml"), ("statemachines", "*.json"), ("templates", "*.yaml"))
    return [path for folder, pattern in folders for path in sorted((root / folder).rglob(pattern))]


def _in_python(root: Path) -> Iterator[tuple[Path, str, ast.expr]]:
    """(file, function, expression) of each condition that Python builds."""
    for path in sorted((root / "functions").rglob("*.py")):
        text = path.read_text()
        if _KEY in text:
            yield from ((path, function, value) for function, value in _conditions(ast.parse(text), ""))


def _conditions(node: ast.AST, function: str) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(node, ast.FunctionDef):
        function = node.name
    match node:
        case ast.Dict():
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == _KEY:
                    yield function, value
        case ast.keyword(arg="ConditionExpression"):
            yield function, node.value
        case ast.Assign(targets=[ast.Subscript(slice=ast.Constant(value="ConditionExpression"))]):
            yield function, node.value
    for child in ast.iter_child_nodes(node):
        yield from _conditions(child, function)


def built_apart(file: str) -> list[str]:
    """The functions of a file that put a condition into a request which another one sends."""
    found = set()
    for node in ast.walk(ast.parse((ROOT / file).read_text())):
        if isinstance(node, ast.FunctionDef):
            found |= {
                node.name
                for function, value in _conditions(node, "")
                if function == node.name and value in _in_dicts(node)
            }
    return sorted(found)


def _in_dicts(node: ast.AST) -> list[ast.expr]:
    return [value for each in ast.walk(node) if isinstance(each, ast.Dict) for value in each.values]


# --- the copy ---


def copy(folder: Path) -> Path:
    """The repository's files as they are in the working tree, with its environments linked."""
    listed = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    for environment in ROOT.glob(".venv*"):
        (folder / environment.name).symlink_to(environment)
    return folder


def wrap(root: Path, file: str, call: str, only: str = "") -> None:
    """Put each condition of a Python file, or those of one function, into a call of this module."""
    path = root / file
    text = path.read_bytes()
    lines = [0]
    for line in text.splitlines(keepends=True):
        lines.append(lines[-1] + len(line))
    found = [each for each in _conditions(ast.parse(text), "") if only in ("", each[0])]
    for function, value in sorted(found, key=lambda each: -(lines[each[1].lineno - 1] + each[1].col_offset)):
        assert value.end_lineno
        assert value.end_col_offset is not None
        start = lines[value.lineno - 1] + value.col_offset
        end = lines[value.end_lineno - 1] + value.end_col_offset
        module = '__import__("local.condition_mutation", fromlist=["*"]).'
        expression = f"({text[start:end].decode()})"
        text = text[:start] + (module + call.format(expression, function=function)).encode() + text[end:]
    path.write_bytes(text)


def mutate(root: Path, clause: Clause) -> None:
    """Weaken one clause in a copy of the repository."""
    if clause.file.endswith(".py"):
        wrap(root, clause.file, f"weakened({{0}}, {json.dumps(clause.text)})", clause.function)
        return
    path = root / clause.file
    text = path.read_text()
    match = list(_TEXT.finditer(text))[int(clause.function.removeprefix("number ")) - 1]
    path.write_text(text[: match.start(2)] + weakened(match[2], clause.text) + text[match.end(2) :])


def service_of(file: str) -> str:
    return _SERVICES.get(file) or file.split("/")[1]


def unit_tests(file: str) -> list[str]:
    """Arguments of pytest for what no race shows: the unit tests of the service."""
    service = service_of(file)
    unit = [f"tests/unit/{service}"] if (ROOT / "tests" / "unit" / service).is_dir() else []
    return [*unit, *next((tests for folder, tests in _OTHERS.items() if file.startswith(folder)), ())]


def failing(root: Path, arguments: list[str], **environment: str) -> str:
    """The first test that fails in the copy, "" if none does."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-q", "-n", "0", "-p", "no:cacheprovider", *arguments],
        cwd=root, env=os.environ | environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    failed = [
        line.split(" ", 1)[1] for line in done.stdout.splitlines() if line.startswith(("FAILED tests", "ERROR tests"))
    ]
    if failed:
        return re.sub(r" - .*", "", failed[0])
    return "" if done.returncode in (0, 5) else f"pytest ended with {done.returncode}"


def raced(only: str) -> set[Clause]:
    """The clauses that races send, and the first race that notices when one is weakened, which is done in memory."""
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "weakened.json"
        subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-n", "0", "--timeout", "7200", "tests/interleavings/weaken.py"],
            cwd=ROOT, env=os.environ | {"ONLY": only, "SETPIECES_WEAKENED": str(results)}, check=True,
        )  # fmt: skip
        return {Clause(**row) for row in json.loads(results.read_text())}


def tested(only: str) -> set[Clause]:
    """The clauses that unit tests of services send."""
    with tempfile.TemporaryDirectory() as folder:
        root, notes = copy(Path(folder)), Path(folder) / "notes"
        notes.touch()
        files = sorted({site.file for site in sites() if site.file.endswith(".py") and only in service_of(site.file)})
        for file in files:
            wrap(root, file, f'noted({{0}}, "{file}", "{{function}}")')
        arguments = sorted({argument for file in files for argument in unit_tests(file)})
        failed = failing(root, arguments, **{NOTES: str(notes)})
        if failed:
            raise click.ClickException(f"{failed} fails as it is")
        return {Clause(*json.loads(line)) for line in {*notes.read_text().splitlines()}}


def noticed(clause: Clause) -> str:
    """The test that notices when a clause is weakened in a copy, "" if none does; first the races, if it is not Python's."""
    tests = [unit_tests(clause.file)]
    if not clause.file.endswith(".py"):
        tests.insert(0, ["tests/interleavings/test_interleavings.py", "-k", service_of(clause.file)])
    with tempfile.TemporaryDirectory() as folder:
        root = copy(Path(folder))
        mutate(root, clause)
        return next((failed for arguments in tests if arguments and (failed := failing(root, arguments))), "")


def known_service(ctx: click.Context, parameter: click.Parameter, only: str) -> str:
    services = sorted({service_of(site.file) for site in sites()})
    if only and only not in services:
        raise click.BadParameter(f"there is no such service.{did_you_mean(only, services)}")
    return only


@click.command(epilog="make condition-mutation ONLY=vouchers")
@click.option("--only", envvar="ONLY", default="", callback=known_service, help="A service.")
def main(only: str) -> None:
    """Weaken each condition of a write to DynamoDB in a copy, one clause at a time, and see that a test notices."""
    console = Console(width=200, highlight=False)
    by_race = {(each.file, each.function, each.text): each.noticed_by for each in raced(only)}
    others = {clause for clause in written() if only in service_of(clause.file)} | tested(only)
    found = sorted({*by_race, *((each.file, each.function, each.text) for each in others)})
    results = []
    for number, key in enumerate(found, start=1):
        clause = Clause(*key)
        test = by_race.get(key) or noticed(clause)
        results.append(Clause(*key, test))
        told = f"noticed by {test}" if test else "[red]nothing noticed[/]"
        console.print(f"{number:3}/{len(found)}  {clause.file} {clause.function}: {clause.text}\n         {told}")
    unnoticed = [result for result in results if not result.noticed_by]
    console.print(f"{len(results) - len(unnoticed)} of {len(results)} clauses were noticed.")
    if not only:
        KNOWN.write_text(json.dumps([asdict(result) for result in results], indent=1) + "\n")
    raise SystemExit(1 if unnoticed else 0)


if __name__ == "__main__":
    main()

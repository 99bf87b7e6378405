"""``make condition-mutation``: weaken each condition of a write to DynamoDB, one clause at a time, and see that a test notices.

    make condition-mutation                 every clause; writes tests/interleavings/conditions.json
    make condition-mutation ONLY=vouchers   those of one service

Conditions are found in the sources: in Python by their place in the syntax tree, as arguments of ``setpieces.dynamodb`` or as
members of a request, in API documents and state machines as text.
What a condition is made of is noted as the races of tests/interleavings and unit tests send it (tests/conditions.py). A clause
``a = :b`` becomes ``a = :b OR NOT a = :b``, which always holds and uses the same names and values, in a copy of the repository;
there the tests run that send the clause, until one fails.
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
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape

from model.settings import ROOT
from tools.failures import did_you_mean

KNOWN = ROOT / "tests" / "interleavings" / "conditions.json"
NOTES = "SETPIECES_CONDITIONS"
CONDITION = "ConditionExpression"
# Sends the conditions that its callers write, by these functions.
LAYER = "functions/common/setpieces/dynamodb.py"
WRITES = frozenset({"put_if", "update_if", "delete_if", "put", "update", "delete", "check"})
_TEXT = re.compile(rf'("{CONDITION}": ")([^"]+)(")')
_WORD = re.compile(r"\bAND\b|\bOR\b|[()]")
_NO_TESTS = 5
# The service whose races a file is about, if it is not its folder.
_SERVICES = {
    "schemas/api/sequences.yaml": "sequences",
    "statemachines/raise-sequence.asl.json": "sequences",
    "statemachines/generate-vouchers.asl.json": "vouchers",
    "functions/common/setpieces/sessions.py": "login",
    "functions/common/setpieces/attempts.py": "login",
}


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
        if (CONDITION in text or "dynamodb" in text) and path != root / LAYER:
            yield from ((path, function, value) for function, value in _conditions(ast.parse(text)))


def _conditions(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    return _conditions_below(tree, "", set(_writes(tree)))


def _writes(tree: ast.Module) -> Iterator[str]:
    """What a module calls the functions of ``setpieces.dynamodb`` that take a condition."""
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module="setpieces", names=names):
                modules = [alias.asname or alias.name for alias in names if alias.name == "dynamodb"]
                yield from (f"{module}.{write}" for module in modules for write in WRITES)
            case ast.ImportFrom(module="setpieces.dynamodb", names=names):
                yield from (alias.asname or alias.name for alias in names if alias.name in WRITES)


def _conditions_below(node: ast.AST, function: str, writes: set[str]) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(node, ast.FunctionDef):
        function = node.name
    match node:
        case ast.Call(func=called, args=arguments, keywords=keywords) if ast.unparse(called) in writes:
            # (table, item or key, condition): the condition of an update is a keyword.
            values = [*arguments[2:3], *(keyword.value for keyword in keywords if keyword.arg == "condition")]
            yield from ((function, value) for value in values)
        case ast.Dict():
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == CONDITION:
                    yield function, value
        case ast.keyword(arg="ConditionExpression"):
            yield function, node.value
        case ast.Assign(targets=[ast.Subscript(slice=ast.Constant(value="ConditionExpression"))]):
            yield function, node.value
    for child in ast.iter_child_nodes(node):
        yield from _conditions_below(child, function, writes)


def built_apart(file: str) -> list[str]:
    """The functions of a file that put a condition into a request which another one sends."""
    tree, found = ast.parse((ROOT / file).read_text()), set()
    conditions = list(_conditions(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            found |= {node.name for function, value in conditions if function == node.name and value in _in_dicts(node)}
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


def mutate(root: Path, clause: Clause) -> None:
    """Weaken one clause in a copy of the repository."""
    path = root / clause.file
    if not clause.file.endswith(".py"):
        text = path.read_text()
        match = list(_TEXT.finditer(text))[int(clause.function.removeprefix("number ")) - 1]
        path.write_text(text[: match.start(2)] + weakened(match[2], clause.text) + text[match.end(2) :])
        return
    source = path.read_bytes()
    lines = [0]
    for line in source.splitlines(keepends=True):
        lines.append(lines[-1] + len(line))
    found = [value for function, value in _conditions(ast.parse(source)) if function == clause.function]
    for value in sorted(found, key=lambda each: -(lines[each.lineno - 1] + each.col_offset)):
        assert value.end_lineno
        assert value.end_col_offset is not None
        start = lines[value.lineno - 1] + value.col_offset
        end = lines[value.end_lineno - 1] + value.end_col_offset
        module = '__import__("local.campaigns.condition_mutation", fromlist=["*"])'
        call = f"{module}.weakened(({source[start:end].decode()}), {json.dumps(clause.text)})"
        source = source[:start] + call.encode() + source[end:]
    path.write_bytes(source)


def service_of(file: str) -> str:
    return _SERVICES.get(file) or file.split("/")[1]


def unit_tests(file: str) -> list[str]:
    """Arguments of pytest for what no race shows: the unit tests of the service."""
    service = service_of(file)
    return [f"tests/unit/{service}"] if (ROOT / "tests" / "unit" / service).is_dir() else []


def pytest(root: Path, arguments: list[str], **environment: str) -> str:
    """The first test that fails, "" if none does."""
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


def sent(only: str) -> dict[tuple[str, str, str], list[str]]:
    """(file, function, clause) of what tests send, and the tests that do, races first. No file: of no function."""
    files = sorted({site.file for site in sites() if only in ("", service_of(site.file))})
    # The races of feeds are about the feed pipeline, too.
    races = ["tests/interleavings", *(["-k", only.partition("-")[0]] if only else [])]
    found: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        notes = Path(folder) / "notes"
        for arguments in (races, sorted({argument for file in files for argument in unit_tests(file)})):
            notes.write_text("")
            failed = arguments and pytest(ROOT, ["-n", "auto", *arguments], **{NOTES: str(notes)})
            if failed:
                raise click.ClickException(f"{failed} fails as it is")
            for file, function, text, test in sorted(json.loads(line) for line in notes.read_text().splitlines()):
                if not file or file in files:
                    found[file, function, text].append(test)
    return found


def noticed(clause: Clause, tests: list[str]) -> Clause:
    """The clause with a test that notices when it is weakened in a copy, "" for none. What noticed last time is tried first."""
    ordered = sorted(tests, key=lambda test: test != clause.noticed_by)
    with tempfile.TemporaryDirectory() as folder:
        root = copy(Path(folder))
        mutate(root, clause)
        failed = pytest(root, ["-n", "0", *ordered], **{NOTES: os.devnull}) if ordered else ""
        return replace(clause, noticed_by=failed)


def known_service(ctx: click.Context, parameter: click.Parameter, only: str) -> str:
    services = sorted({service_of(site.file) for site in sites()})
    if only and only not in services:
        raise click.BadParameter(f"unknown service.{did_you_mean(only, services)}")
    return only


@click.command(epilog="make condition-mutation ONLY=vouchers")
@click.option("--only", envvar="ONLY", default="", callback=known_service, help="A service.")
def main(only: str) -> None:
    """Weaken each condition of a DynamoDB write in a copy, one clause at a time, and check that a test fails."""
    console = Console(width=200, highlight=False)
    tests = sent(only)
    rows = [Clause(**row) for row in json.loads(KNOWN.read_text())]
    before = {(row.file, row.function, row.text): row.noticed_by for row in rows}
    found = {key for key in tests if key[0]}
    found |= {(each.file, each.function, each.text) for each in written() if only in ("", service_of(each.file))}
    results = []

    def weaken(key: tuple[str, str, str]) -> Clause:
        return noticed(Clause(*key, before.get(key, "")), tests.get(key) or tests.get(("", "", key[2]), []))

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for clause in pool.map(weaken, sorted(found)):
            results.append(clause)
            told = f"noticed by {escape(clause.noticed_by)}" if clause.noticed_by else "[red]nothing noticed[/]"
            console.print(
                f"{len(results):3}/{len(found)}  {clause.file} {clause.function}: {clause.text}\n         {told}"
            )
    unnoticed = [result for result in results if not result.noticed_by]
    console.print(f"{len(results) - len(unnoticed)} of {len(results)} mutations were detected by a test.")
    others = [row for row in rows if only not in ("", service_of(row.file))]
    KNOWN.write_text(json.dumps([asdict(row) for row in sorted(others + results)], indent=1) + "\n")
    raise SystemExit(1 if unnoticed else 0)


if __name__ == "__main__":
    main()

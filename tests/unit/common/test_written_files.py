"""Functions write temporary files only: on Lambda nothing but /tmp can be written, in the local cloud everything can."""

import ast
from collections.abc import Iterator

from model.settings import ROOT

FUNCTIONS = ROOT / "functions"
WRITES = {
    "write_text",
    "write_bytes",
    "mkdir",
    "makedirs",
    "symlink_to",
    "hardlink_to",
    "copyfile",
    "copytree",
}
# Each with where its path comes from.
ELSEWHERE = {"redirects/redirects/repository.py write_bytes": "the handler gives it a file in tempfile.gettempdir()"}


def writes(tree: ast.AST) -> Iterator[str]:
    """The names of calls that write files; those of ``tempfile`` are none."""
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call):
            continue
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        modes = [
            each for each in (*call.args, *(option.value for option in call.keywords)) if isinstance(each, ast.Constant)
        ]
        opens_to_write = name == "open" and any(
            set(str(mode.value)) & set("wax+") and len(str(mode.value)) < 4 for mode in modes
        )
        if name in WRITES or opens_to_write:
            yield name


def test_functions_write_temporary_files_only():
    writes_by_file = {
        f"{path.relative_to(FUNCTIONS)} {name}"
        for path in FUNCTIONS.rglob("*.py")
        for name in writes(ast.parse(path.read_text()))
    }
    assert writes_by_file == set(ELSEWHERE)


def test_calls_that_write_files_are_recognised():
    code = "open(p, 'w'); p.open('ab'); open(p, mode='x'); p.write_text(t); open(p); p.open('rb'); tempfile.TemporaryFile()"
    assert list(writes(ast.parse(code))) == ["open", "open", "open", "write_text"]

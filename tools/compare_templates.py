"""Compares the templates of two commits as CloudFormation would deploy them: loops and SAM expanded, snippets included.

    .venv/bin/python -m tools.compare_templates HEAD

compares a commit with the working tree, ``-m tools.compare_templates a2f0465 HEAD`` two commits. Prints a line for each
resource, parameter, condition and output that is added, removed or changed; the exit status is 1 if there are any.
"""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from model.settings import ROOT
from model.sources import constants
from model.templates import Piece, read_templates

_SECTIONS = ("Parameters", "Rules", "Conditions", "Resources", "Outputs")
# SAM names an API's deployment after a digest, of the document or, where it always deploys, of the time.
_DEPLOYMENT = re.compile(r"(Deployment|deployment id: )[0-9a-f]{10,40}")
_VARIABLE = re.compile(r"\$\{(\w+)\}")


def normalised(value: Any) -> Any:
    """``value`` with different spellings of the same intrinsic made the same."""
    match value:
        case {"Fn::Sub": str(text)} if "${" not in text:
            return text
        case {"Fn::Sub": str(text)} if text.startswith("${") and _VARIABLE.fullmatch(text):
            return {"Ref": text[2:-1]}
        case {"Fn::GetAtt": str(text)}:
            return {"Fn::GetAtt": text.split(".", 1)}
        case dict():
            return {_DEPLOYMENT.sub(r"\1", str(name)): normalised(item) for name, item in value.items()}
        case list():
            return [normalised(item) for item in value]
        case bool() | None:
            return value
        case _:
            return _DEPLOYMENT.sub(r"\1", str(value))


def flattened(pieces: Mapping[str, Piece]) -> dict[str, Any]:
    """What the templates declare, by service, section and name: {"basket Resources.Table": {"Type", "Properties", ...}}.

    A parameter with one allowed value is a constant: its value replaces it.
    """
    return {
        f"{service} {section}.{name}": item
        for service, piece in pieces.items()
        for values in [constants(piece.source)]
        for expanded in [piece.expanded(_defaults(piece))]
        for section in _SECTIONS
        for name, item in normalised(_with_values(expanded.get(section, {}), values)).items()
        if name not in values
    }


def _with_values(value: Any, values: Mapping[str, str]) -> Any:
    """``value`` with references to parameters replaced by their ``values``."""
    match value:
        case {"Ref": str(name)} if name in values:
            return values[name]
        case dict():
            return {name: _with_values(item, values) for name, item in value.items()}
        case list():
            return [_with_values(item, values) for item in value]
        case str():
            return _VARIABLE.sub(lambda match: values.get(match[1], match[0]), value)
        case _:
            return value


def _defaults(piece: Piece) -> dict[str, str]:
    parameters = piece.source.get("Parameters", {}).items()
    return {name: str(declared.get("Default", "any")) for name, declared in parameters}


def changes(before: Any, after: Any, path: str) -> Iterator[str]:
    """A line for each difference, with its path."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name in sorted(before.keys() | after.keys()):
            inner = f"{path}.{name}"
            if name not in after:
                yield f"- {inner}: {_short(before[name])}"
            elif name not in before:
                yield f"+ {inner}: {_short(after[name])}"
            else:
                yield from changes(before[name], after[name], inner)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (old, new) in enumerate(zip(before, after, strict=True)):
            yield from changes(old, new, f"{path}[{index}]")
    elif before != after:
        yield f"~ {path}: {_short(before)} -> {_short(after)}"


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 200 else f"{text[:200]}..."


def pieces_at(commit: str, folder: Path) -> dict[str, Piece]:
    """The templates of ``commit``, extracted into ``folder`` with what they include."""
    archive = subprocess.run(
        ["git", "archive", commit, "templates", "schemas"], cwd=ROOT, capture_output=True, check=True
    )
    subprocess.run(["tar", "--extract", "--directory", folder], input=archive.stdout, check=True)
    return read_templates(folder / "templates")


@click.command()
@click.argument("before")
@click.argument("after", required=False)
def main(before: str, after: str | None) -> None:
    """Compare the templates of commit BEFORE with those of AFTER, or of the working tree."""
    with tempfile.TemporaryDirectory() as old, tempfile.TemporaryDirectory() as new:
        earlier = flattened(pieces_at(before, Path(old)))
        later = flattened(pieces_at(after, Path(new)) if after else read_templates(ROOT / "templates"))
    lines = [line.replace(" .", " ", 1) for line in changes(earlier, later, "")]
    for line in lines:
        click.echo(line)
    click.echo(f"{len(earlier)} declarations before, {len(later)} after, {len(lines)} differences.")
    sys.exit(bool(lines))


if __name__ == "__main__":
    main()

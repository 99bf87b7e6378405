"""Runs cfn-lint and checkov on the templates with loops and includes expanded: else they would not check what these declare.

cfn-lint also checks the templates as written (``make lint``), where it knows loops but does not look into included modules.

    .venv/bin/python -m tests.checkov_templates

An expanded template has no comments, so the comments ``checkov:skip`` of a resource become its metadata, as
https://www.checkov.io/2.Basics/Suppressing%20and%20Skipping%20Policies.html describes for CloudFormation.
"""

import json
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from model.settings import ROOT
from model.templates import Piece, pieces

# The directory in ``.checkov.yaml``.
EXPANDED = ROOT / ".local" / "expanded"
CHECKOV = (".venv-policy/bin/checkov", "--config-file", ".checkov.yaml")
_RESOURCE = re.compile(r"  (\w+):")
_SKIP = re.compile(r"\s+# checkov:skip=(\w+):(.+)")


def checked(piece: Piece, text: str) -> dict[str, Any]:
    """The template as checkov gets it. ``text`` is its source."""
    template = piece.included()
    for name, skips in skips_by_resource(text).items():
        template["Resources"][name].setdefault("Metadata", {})["checkov"] = {"skip": skips}
    return template


def skips_by_resource(text: str) -> dict[str, list[dict[str, str]]]:
    """{logical id: [{"id": check, "comment": reason}]} of the comments in a template's text."""
    skips = defaultdict(list)
    resource = ""
    for line in text.splitlines():
        if match := _RESOURCE.match(line):
            resource = match[1]
        elif match := _SKIP.match(line):
            skips[resource].append({"id": match[1], "comment": match[2]})
    return dict(skips)


def cfn_lint(folder: Path) -> tuple[str, ...]:
    """The command that checks the templates in ``folder``.

    W7001: a loop's mapping is not used once it is expanded. E3043: nested templates are not beside the expanded one.
    """
    return (".venv/bin/cfn-lint", "--ignore-checks", "W7001", "E3043", "--", *map(str, sorted(folder.glob("*.json"))))


def main() -> int:
    """Write the expanded templates and check them. Returns 0 if both linters accept them."""
    EXPANDED.mkdir(parents=True, exist_ok=True)
    for path in EXPANDED.iterdir():
        path.unlink()
    for service, piece in pieces().items():
        text = (piece.folder / f"{service}.yaml").read_text()
        (EXPANDED / f"{service}.json").write_text(json.dumps(checked(piece, text), indent=1))
    return max(subprocess.run(command, cwd=ROOT, check=False).returncode for command in (cfn_lint(EXPANDED), CHECKOV))


if __name__ == "__main__":
    sys.exit(main())

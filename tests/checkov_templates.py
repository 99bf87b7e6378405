"""Runs checkov on the templates with loops and includes expanded: it knows neither, so it would not check what they declare.

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


def main() -> int:
    """Write the expanded templates and check them. Returns the exit status of checkov."""
    EXPANDED.mkdir(parents=True, exist_ok=True)
    for path in EXPANDED.iterdir():
        path.unlink()
    for service, piece in pieces().items():
        text = (piece.folder / f"{service}.yaml").read_text()
        (EXPANDED / f"{service}.json").write_text(json.dumps(checked(piece, text), indent=1))
    checkov = Path(".venv-policy") / "bin" / "checkov"
    return subprocess.run([checkov, "--config-file", ".checkov.yaml"], cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())

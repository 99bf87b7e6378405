"""Errors in edited files, by file and line."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from model.settings import ROOT


@dataclass(frozen=True, order=True)
class Finding:
    """An error at ``line`` of ``file``; line 0 if it concerns the whole file."""

    file: Path
    line: int
    reason: str

    def __str__(self) -> str:
        name = self.file.relative_to(ROOT) if self.file.is_relative_to(ROOT) else self.file
        return f"{name}:{self.line or 1}: {self.reason}"


class Rejected(Exception):
    """Edited files have errors. The message lists them, one per line."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = sorted(set(findings))
        super().__init__("\n".join(map(str, self.findings)))


def line_of(file: Path, path: Iterable[Any]) -> int:
    """The line of the value at ``path`` in a JSON or YAML file; of its nearest existing ancestor if there is no such value."""
    node, line = yaml.compose(file.read_text(), yaml.CSafeLoader), 1
    for step in path:
        if isinstance(node, yaml.MappingNode):
            entries = [(key, value) for key, value in node.value if key.value == str(step)]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            entries = [(node.value[step], node.value[step])]
        else:
            entries = []
        if not entries:
            break
        line, node = entries[0][0].start_mark.line + 1, entries[0][1]
    return line

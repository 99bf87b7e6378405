"""The tables of commands in README.md, from the comments of the Makefile that ``make help`` prints."""

import re
from collections.abc import Iterator

from model.settings import ROOT
from pages.blocks import Block, table

README = ROOT / "README.md"
# README.md explains the commands of the other sections step by step.
SECTIONS = ("Everyday", "Look inside", "Check", "Measure", "Maintain")

_SECTION = re.compile(r"^##@ (.+)$")
# name: prerequisites ## description ## arguments
_TARGET = re.compile(r"^([a-z-]+):.*? ## (.*?)(?: ## (.*))?$")


def blocks() -> Iterator[Block]:
    tables = (table((section, ""), rows) for section, rows in sections().items() if section in SECTIONS)
    yield Block(README, "commands", "\n\n".join(tables))


def sections() -> dict[str, list[tuple[str, str]]]:
    """(command with its arguments, description) of each target, by section of the Makefile."""
    targets: dict[str, list[tuple[str, str]]] = {}
    section = ""
    for line in (ROOT / "Makefile").read_text().splitlines():
        if match := _SECTION.match(line):
            section = match[1]
        elif match := _TARGET.match(line):
            name, description, arguments = match.groups()
            command = " ".join(filter(None, ("make", name, arguments))).replace("|", r"\|")
            targets.setdefault(section, []).append((f"`{command}`", description))
    return targets

"""``make parity``: the differences between the local cloud and AWS, with reasons and tests. docs/parity.md has the same list.

The list consists of ``parity.yaml`` and of the patches of the emulator.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from textwrap import wrap
from typing import Any

import click
import yaml
from rich.console import Console
from rich.text import Text

from local.emulator.patch import Patch
from local.emulator.patches import PATCHES
from model.settings import ROOT
from pages.blocks import Block, table

PAGE = ROOT / "docs" / "parity.md"
DATA = Path(__file__).with_name("parity.yaml")
MARGIN = " " * 10
COLUMNS = ("difference", "AWS", "local", "reason", "code and tests")


@dataclass(frozen=True)
class Difference:
    """An entry of ``parity.yaml``, which describes the members, or a patch."""

    name: str
    aws: str
    local: str
    reason: str
    where: str = ""
    tests: tuple[str, ...] = ()
    on_aws: str = ""
    upstream: str = ""


@cache
def areas() -> dict[str, list[Difference]]:
    """The differences by area: for each, patches first."""
    data: dict[str, list[dict[str, Any]]] = yaml.safe_load(DATA.read_text())
    return {
        area: [
            *(_difference(patch) for patch in PATCHES if patch.area == area),
            *(Difference(**entry | {"tests": tuple(entry.get("tests", ()))}) for entry in entries),
        ]
        for area, entries in data.items()
    }


def differences() -> list[Difference]:
    return [difference for area in areas().values() for difference in area]


def _difference(patch: Patch) -> Difference:
    local = f"without the patch: {patch.emulator}"
    return Difference(patch.name, patch.aws, local, patch.reason, patch.where, patch.node_ids, upstream=patch.upstream)


def print_differences(console: Console) -> None:
    """Print all differences by area. Test ids are not wrapped, so that they can be copied."""
    for area, entries in areas().items():
        console.rule(f"[bold]{area}[/] ({len(entries)})", align="left")
        for difference in entries:
            console.print(Text(f"\n{MARGIN}{difference.name}", "bold"))
            for label, text in _members(difference):
                lines = wrap(text, console.width - len(MARGIN), break_long_words=False, break_on_hyphens=False)
                console.print(Text.assemble((f"{label:>8}  ", "dim"), f"\n{MARGIN}".join(lines)), soft_wrap=True)
        console.print()
    total, aws_only = len(differences()), sum(not difference.tests for difference in differences())
    console.print(f"{total} differences; {aws_only} of them can be tested only on AWS. The same list: docs/parity.md")


def _members(difference: Difference) -> Iterator[tuple[str, str]]:
    """(label, text) of each member that is not empty."""
    yield "AWS", difference.aws
    yield "here", difference.local
    yield "reason", difference.reason
    if difference.where:
        yield "where", difference.where
    yield from (("test", test) for test in difference.tests)
    if difference.on_aws:
        yield "AWS only", difference.on_aws
    if difference.upstream:
        yield "upstream", difference.upstream


def blocks() -> Iterator[Block]:
    sections = (f"## {area}\n\n{table(COLUMNS, map(_row, entries))}" for area, entries in areas().items())
    yield Block(PAGE, "differences", "\n\n".join(sections))


def _row(difference: Difference) -> tuple[str, ...]:
    name = f"<a id='{difference.name}'></a>{difference.name}"
    details = [_link(*difference.where.partition(":")[::2])] if difference.where else []
    details += [_link(*test.split("::")) for test in difference.tests]
    if difference.on_aws:
        details.append(f"AWS only: {difference.on_aws}")
    if difference.upstream:
        details.append(f"MiniStack: {difference.upstream}")
    return name, difference.aws, difference.local, difference.reason, "<br>".join(details)


def _link(path: str, name: str) -> str:
    return f"[`{name or path.rpartition('/')[2]}`](../{path})"


@click.command()
def main() -> None:
    """List the differences between the local cloud and AWS with their reasons and tests."""
    print_differences(Console(highlight=False))

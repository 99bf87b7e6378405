"""``make parity``: the differences between the local cloud and AWS, with reasons and tests.

``make reference`` writes docs/parity.md.

The list is the corrections of ``local.emulator.corrections``, each with the test of its name, and ``pages.differences``.
"""

from collections.abc import Iterator
from itertools import groupby
from textwrap import wrap

import click
from rich.console import Console
from rich.text import Text

from local.emulator.corrections import CORRECTIONS, Correction
from model.settings import ROOT
from pages.differences import AREAS, PROBE, Difference
from pages.differences import DIFFERENCES as OTHERS

PAGE = ROOT / "docs" / "parity.md"
BEGIN, END = "<!-- differences: begin -->", "<!-- differences: end -->"
MARGIN = " " * 10
COLUMNS = ("difference", "AWS", "local", "reason", "where", "tests")


def _of(correction: Correction) -> Difference:
    return Difference(
        correction.name,
        correction.area,
        correction.aws,
        f"without the correction: {correction.emulator}",
        correction.reason,
        f"local/emulator/corrections.py:{correction.apply.__name__}",
        (PROBE + correction.name.replace("-", "_"), *correction.tests),
    )


def differences() -> list[Difference]:
    """Every difference, by area."""
    return sorted((*map(_of, CORRECTIONS), *OTHERS), key=lambda difference: AREAS.index(difference.area))


def areas() -> Iterator[tuple[str, list[Difference]]]:
    for area, found in groupby(differences(), lambda difference: difference.area):
        yield area, list(found)


def printed(console: Console) -> None:
    """All of it, an area after the other. Test ids stay whole, to be copied."""
    for area, found in areas():
        console.rule(f"[bold]{area}[/] ({len(found)})", align="left")
        for difference in found:
            console.print(Text(f"\n{MARGIN}{difference.name}", "bold"))
            for label, text in _lines(difference):
                lines = wrap(text, console.width - len(MARGIN), break_long_words=False, break_on_hyphens=False)
                shown = f"\n{MARGIN}".join(lines)
                console.print(Text.assemble((f"{label:>8}  ", "dim"), shown), soft_wrap=True)
        console.print()
    total, aws_only = len(differences()), sum(not difference.tests for difference in differences())
    console.print(f"{total} differences; {aws_only} of them can be tested only on AWS. The same list: docs/parity.md")


def _lines(difference: Difference) -> Iterator[tuple[str, str]]:
    """(label, text) of what there is to say."""
    yield "AWS", difference.aws
    yield "here", difference.local
    yield "reason", difference.reason
    if difference.where:
        yield "where", difference.where
    yield from (("test", test) for test in difference.tests)
    if difference.on_aws:
        yield "AWS only", difference.on_aws


def tables() -> str:
    """All of it in Markdown."""
    sections = []
    for area, found in areas():
        lines = [COLUMNS, tuple("---" for _ in COLUMNS), *map(_row, found)]
        sections.append(f"## {area}\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines))
    return "\n\n".join(sections)


def _row(difference: Difference) -> tuple[str, ...]:
    where = _link(*difference.where.partition(":")[::2]) if difference.where else ""
    shown = [_link(*test.split("::")) for test in difference.tests]
    if difference.on_aws:
        shown.append(f"AWS only: {difference.on_aws}")
    name = f"<a id='{difference.name}'></a>{difference.name}"
    return name, difference.aws, difference.local, difference.reason, where, "<br>".join(shown)


def _link(path: str, name: str) -> str:
    return f"[`{name or path.rpartition('/')[2]}`](../{path})"


def page() -> str:
    """docs/parity.md as it should be: its prose as it stands, its tables made anew."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{tables()}\n{END}{after}"


@click.command()
def main() -> None:
    """List the differences between the local cloud and AWS with their reasons and tests."""
    printed(Console(highlight=False))

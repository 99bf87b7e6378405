"""``make reference``: write every document that is made from the templates and the code, and say which have changed."""

from collections.abc import Iterator
from pathlib import Path

import click

from model import routing
from model.settings import ROOT
from pages import api_reference, diagrams, live_map, parity
from tools.progress import step


def documents() -> Iterator[tuple[Path, str]]:
    """(path, content) of every document that is made, as it should be."""
    yield from api_reference.documents().items()
    yield from diagrams.documents().items()
    for made in (routing, live_map, parity):
        yield made.PAGE, made.page()


@click.command()
def main() -> None:
    """Generate docs/api, the diagrams, and the tables of docs/events.md, docs/parity.md and the live map."""
    with step("generating the documents"):
        contents = dict(documents())
    changed = [path for path, content in contents.items() if not path.exists() or path.read_text() != content]
    for path in changed:
        path.parent.mkdir(exist_ok=True)
        path.write_text(contents[path])
        click.echo(f"Written: {path.relative_to(ROOT)}")
    if not changed:
        click.echo(f"All {len(contents)} documents were up to date.")

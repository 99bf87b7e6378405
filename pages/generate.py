"""``make generate``: write each generated file, and each generated block of a page.

A new generator is registered in ``FILES`` or ``BLOCKS``. ``tests/contract/test_generated.py`` fails if a file is out of date.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import click

from bench import cost_page
from model.settings import ROOT
from pages import aws_endpoints, blocks, commands, diagrams, live_map, openapi, parity, postman, problems, routing_table
from tools.progress import step

# {path: content} of files without handwritten parts.
FILES: tuple[Callable[[], dict[Path, str]], ...] = (
    openapi.files,
    postman.files,
    live_map.files,
    cost_page.files,
    aws_endpoints.files,
)
BLOCKS: tuple[Callable[[], Iterator[blocks.Block]], ...] = (
    diagrams.blocks,
    commands.blocks,
    problems.blocks,
    routing_table.blocks,
    parity.blocks,
)


def documents() -> dict[Path, str]:
    """The current content of each generated file and of each page with a generated block."""
    contents = {path: content for files in FILES for path, content in files().items()}
    for generator in BLOCKS:
        for block in generator():
            text = contents[block.page] if block.page in contents else block.page.read_text()
            contents[block.page] = blocks.fill(text, block)
    return contents


def stale(contents: dict[Path, str]) -> list[Path]:
    """The files that differ from their content, or do not exist."""
    return [path for path, content in contents.items() if not path.exists() or path.read_text() != content]


@click.command()
def main() -> None:
    """Write all generated documents: docs/api, diagrams, tables, data of the live map."""
    with step("generating the documents"):
        contents = documents()
    changed = stale(contents)
    for path in changed:
        path.parent.mkdir(exist_ok=True)
        path.write_text(contents[path])
        click.echo(f"Written: {path.relative_to(ROOT)}")
    if not changed:
        click.echo(f"All {len(contents)} documents are up to date.")

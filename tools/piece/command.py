"""``make piece NAME=coupons``: make a new service from ``files/``, and add it to the files that list services."""

import keyword
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import click
from jinja2 import Environment, StrictUndefined

from model.settings import ROOT
from model.templates import pieces
from tools.piece.edits import edits

FILES = Path(__file__).with_name("files")
SUFFIX = ".jinja"
# What a service may be called: its name is part of names of AWS, of a folder and, with _ for -, of a Python package.
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
MAX_NAME_LENGTH = 20
_environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)


def names_of(service: str, item: str = "") -> dict[str, str]:
    """The forms of a service's name and of the name of one ``item``, by default the service's name without its last s.

    {"service": "gift-cards", "package": "gift_cards", "Service": "GiftCards", "Title": "Gift cards", "slug": "gift-card",
     "item": "gift_card", "Item": "GiftCard", "ITEM": "GIFT_CARD", "words": "gift card"}
    """
    slug = item or service.removesuffix("s")
    return {
        "service": service,
        "package": service.replace("-", "_"),
        "Service": _camel_case(service),
        "Title": service.replace("-", " ").capitalize(),
        "slug": slug,
        "item": slug.replace("-", "_"),
        "Item": _camel_case(slug),
        "ITEM": slug.replace("-", "_").upper(),
        "words": slug.replace("-", " "),
    }


def _camel_case(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("-"))


def new_files(names: dict[str, str]) -> dict[Path, str]:
    """{path below the repository: content} of the service's own files."""
    rendered = {}
    for template in sorted(FILES.rglob(f"*{SUFFIX}")):
        path = str(template.relative_to(FILES)).removesuffix(SUFFIX)
        rendered[Path(_render(path, names))] = _render(template.read_text(), names)
    return rendered


def changed_files(root: Path, names: dict[str, str]) -> dict[Path, str]:
    """{path below the repository: content} of the files that list services."""
    return {Path(path): edit((root / path).read_text(), names) for path, edit in edits(names).items()}


def _render(text: str, names: dict[str, str]) -> str:
    return _environment.from_string(text).render(names)


def check_name(service: str, item: str) -> None:
    """Raises ``click.UsageError`` for a name that no new service can have."""
    for name in (service, *([item] if item else [])):
        if not _NAME.fullmatch(name) or len(name) > MAX_NAME_LENGTH:
            raise click.UsageError(
                f"{name!r} is no name of a service: use lower-case words with - between them, "
                f"at most {MAX_NAME_LENGTH} characters. For example: make piece NAME=gift-cards"
            )
    package = service.replace("-", "_")
    module = find_spec(package)
    # A folder without code, such as the caches of a service that was removed, has no origin.
    if service in pieces() or keyword.iskeyword(package) or (module and module.origin):
        raise click.UsageError(f"{service!r} is the name of a service or of a Python module. Choose another one.")


@click.command(epilog="make piece NAME=coupons")
@click.option("--name", envvar="NAME", required=True, help="The service, in the plural: coupons, gift-cards.")
@click.option("--item", envvar="ITEM", default="", help="One of them; by default the name without its last s.")
def main(name: str, item: str) -> None:
    """Make a new service: template, API, code, sample events, tests and page, nested in the shop."""
    check_name(name, item)
    names = names_of(name, item)
    files = new_files(names) | changed_files(ROOT, names)
    for path, content in files.items():
        target = ROOT / path
        click.echo(f"{'Changed' if target.exists() else 'Written'}: {path}")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)
    code = [path for path in files if path.suffix == ".py"]
    # The length of a name decides where lines break, and its first letter where an import stands.
    for ruff in (("check", "--fix", "--select", "I"), ("format",)):
        subprocess.run([sys.executable, "-m", "ruff", *ruff, "--quiet", *code], cwd=ROOT, check=True)

"""``make piece NAME=coupons``: make a new service from ``files/``, and add it to the files that list services."""

import ast
import keyword
import re
import subprocess
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import click
from jinja2 import Environment, StrictUndefined

from model.settings import ROOT
from model.templates import pieces
from tools.piece.edits import AnchorMissing, edits

FILES = Path(__file__).with_name("files")
SUFFIX = ".jinja"
# What a service may be called: its name is part of names of AWS, of a folder and, with _ for -, of a Python package.
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
MAX_NAME_LENGTH = 20
# Folders that have a folder for each service, besides those that all services share.
ROOMS = ("functions", "events", "schemas", "tests/unit")
_environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)


def names_of(service: str, item: str = "") -> dict[str, str]:
    """The forms of a service's name and of the name of one ``item``, by default the service's name without its last s.

    {"service": "gift-cards", "package": "gift_cards", "Service": "GiftCards", "Title": "Gift cards", "slug": "gift-card",
     "item": "gift_card", "Item": "GiftCard", "ITEM": "GIFT_CARD", "words": "gift card", "a_item": "a_gift_card",
     "a_words": "a gift card"}
    """
    slug = item or service.removesuffix("s")
    article = "an" if slug.startswith(("a", "e", "i", "o", "u")) else "a"
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
        "a_item": f"{article}_{slug.replace('-', '_')}",
        "a_words": f"{article} {slug.replace('-', ' ')}",
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
    """{path below the repository: content} of the files that list services.

    Raises ``click.ClickException`` if one of them has no place for the service.
    """
    files = {}
    for path, edit in edits(names).items():
        try:
            files[Path(path)] = edit((root / path).read_text(), names)
        except AnchorMissing as missing:
            raise click.ClickException(
                f"{path} has no match for {str(missing)!r}, where make piece adds a service. "
                "Nothing was written. Correct tools/piece/edits.py."
            ) from missing
    return files


def _render(text: str, names: dict[str, str]) -> str:
    return _environment.from_string(text).render(names)


@cache
def _identifiers() -> frozenset[str]:
    """The names that the code of any new service uses, in lower case."""
    example = names_of("example-service", "example-item")
    code = [content for path, content in new_files(example).items() if path.suffix == ".py"]
    nodes = [node for content in code for node in ast.walk(ast.parse(content))]
    identifiers = {getattr(node, attribute, None) for node in nodes for attribute in ("id", "arg", "name", "module")}
    parts = {name.lower() for identifier in identifiers if identifier for name in identifier.split(".")}
    return frozenset(part for part in parts if "example" not in part)


def _is_used(service: str) -> bool:
    """True if a folder of the service, or a module with its name, exists.

    Folders without code do not count, such as those with caches of a service that was removed.
    """
    package = service.replace("-", "_")
    module = find_spec(package)
    locations = [
        *((module and module.submodule_search_locations) or ()),
        *(ROOT / f"{room}/{service}" for room in ROOMS),
    ]
    return bool(module and module.origin) or any(
        path.suffix != ".pyc" for place in locations for path in _files(Path(place))
    )


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def check_name(service: str, item: str) -> None:
    """Raises ``click.UsageError`` for a name that no new service can have."""
    names = names_of(service, item)
    for name in (service, names["slug"]):
        if not _NAME.fullmatch(name) or len(name) > MAX_NAME_LENGTH:
            raise click.UsageError(
                f"{name!r} is no name of a service or of its items: use lower-case words with - between them, "
                f"at most {MAX_NAME_LENGTH} characters. For example: make piece NAME=gift-cards ITEM=gift-card"
            )
    shop = pieces()["shop"].source
    if service in pieces() or names["Service"] in shop["Resources"] | shop["Parameters"] or _is_used(service):
        raise click.UsageError(
            f"{service!r} is the name of a service, a module or a folder already. Choose another one."
        )
    for name in (names["package"], names["item"]):
        if keyword.iskeyword(name) or name in _identifiers() | {"problem"}:
            raise click.UsageError(
                f"{name!r} has another meaning in the code of a service. Choose another NAME or ITEM."
            )


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

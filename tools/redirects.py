"""Check and publish redirect rules: ``make redirects FILE=rules.json [DRY_RUN=1]``.

Works on AWS as well (SETPIECES_STAGE=dev). docs/set-pieces/redirects.md explains the file.
"""

import json
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from model.settings import ROOT
from redirects.domain.validation import find_problems
from tools.client import Shop
from tools.failures import CommandFailed, requires_shop
from tools.options import JsonFile

SAMPLES = Path(__file__).with_name("redirect_samples.json")
KEY = "rules.json"

console = Console(highlight=False)


class InvalidRules(Exception):
    """The rules cannot be published; the message has one problem a line."""


def check(shop: Shop, document: Any) -> None:
    """Check rules against the hosts of the shop. Raises ``InvalidRules``."""
    site, *destinations = filter(None, shop.address("redirects", "hosts").split(","))
    schema = json.loads((ROOT / "schemas" / "redirects" / "rules.json").read_text())
    problems = find_problems(document, schema, [site], destinations)
    if problems:
        raise InvalidRules("\n".join(problems))


def publish(shop: Shop, document: Any) -> str:
    """Check and publish rules; return the version of the object. Raises ``InvalidRules``."""
    check(shop, document)
    body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    bucket = shop.address("redirects", "bucket-name")
    return str(shop.aws("s3").put_object(Bucket=bucket, Key=KEY, Body=body)["VersionId"])


def publish_samples(shop: Shop) -> None:
    """Publish the samples if there are no rules yet."""
    objects = shop.aws("s3").list_objects_v2(Bucket=shop.address("redirects", "bucket-name"), Prefix=KEY)
    if not objects["KeyCount"]:
        publish(shop, json.loads(SAMPLES.read_text()))


@click.command(epilog="make redirects FILE=rules.json DRY_RUN=1")
@click.argument("file", envvar="FILE", type=JsonFile(), default=SAMPLES)
@click.option("--dry-run", is_flag=True, envvar="DRY_RUN", help="Only check.")
@requires_shop
def main(file: tuple[Path, Any], dry_run: bool) -> None:
    """Check FILE (default: the samples) and publish it."""
    shop = Shop.from_environment()
    try:
        document = file[1]
        if dry_run:
            check(shop, document)
            console.print(f"{len(document['rules'])} rules are valid. Nothing was published (dry run).")
            return
        version = publish(shop, document)
    except InvalidRules as error:
        raise CommandFailed(f"{file[0]} was not published:\n{error}") from error
    console.print(f"{len(document['rules'])} rules published as version {version}.")

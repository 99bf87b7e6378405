"""Packages of changed templates."""

import io
import json
import zipfile

from local.deployment import package
from model import sources
from model.settings import ROOT


def test_only_changed_references_are_packaged_again():
    basket = sources.templates()[ROOT / "templates" / "basket.yaml"]
    before = package.package(basket, {}, set(), lambda reference: f"s3://before/{reference.path.name}")
    changed = {ROOT / "functions" / "basket" / "basket.domain.py"}
    after = package.package(basket, before, changed, lambda reference: f"s3://after/{reference.path.name}")
    properties = after["Resources"]["AddItemFunction"]["Properties"]
    assert properties["CodeUri"] == "s3://after/basket"
    table = package.package(basket, before, set(), lambda reference: f"s3://after/{reference.path.name}")
    assert table["Resources"]["AddItemFunction"]["Properties"]["CodeUri"] == "s3://before/basket"
    assert json.dumps(after)


def test_equal_content_gives_equal_archives():
    first, second = package.zipped([("a.py", b"1")]), package.zipped([("a.py", b"1")])
    assert first == second
    assert zipfile.ZipFile(io.BytesIO(first)).read("a.py") == b"1"

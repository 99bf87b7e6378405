"""Packages changed templates as ``sam build`` and ``sam package`` do, in this process.

Files that a template refers to are uploaded under the digest of their content. Templates become JSON, which CloudFormation
accepts, too. The requirements of a layer are not installed again: the files that its Makefile copies replace those in the
layer that ``sam build`` built. Changed requirements need ``sam build``.
"""

import copy
import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from local.settings import STATE
from model.sources import INCLUDE, LAYER, Reference, Template, below, copied, references
from model.templates import load

# The output folder of ``sam build``.
BUILT = STATE / "build" / "shop"
_EPOCH = (1980, 1, 1, 0, 0, 0)

Upload = Callable[[str, bytes], str]


class NeedsBuild(Exception):
    """The changes need ``sam build``."""


def uploader(s3: Any, bucket: str) -> Upload:
    """A function that stores content under its digest, once, and returns the key in the bucket."""
    uploaded: set[str] = set()

    def upload(suffix: str, content: bytes) -> str:
        key = hashlib.md5(content, usedforsecurity=False).hexdigest() + suffix
        if key not in uploaded:
            s3.put_object(Bucket=bucket, Key=key, Body=content)
            uploaded.add(key)
        return key

    return upload


def package(
    template: Template, deployed: Mapping[str, Any], changed: set[Path], location: Callable[[Reference], str]
) -> dict[str, Any]:
    """``template`` with each local path replaced by ``location``, or by the deployed value if its files did not change."""
    document = copy.deepcopy(template.document)
    before = _values(template, deployed)
    for each in references(template.path, document):
        previous = before.get(_identity(each))
        each.holder[each.key] = previous if previous and not _touched(each, changed) else location(each)
    return document


def _touched(reference: Reference, changed: set[Path]) -> bool:
    folders = [reference.path, *(source for source, _ in copied(reference.path) if reference.kind == LAYER)]
    return any(file.is_relative_to(folder) for file in changed for folder in folders)


def _identity(reference: Reference) -> tuple[str, str, str]:
    return reference.resource, reference.kind, str(reference.path)


def _values(template: Template, deployed: Mapping[str, Any]) -> dict[tuple[str, str, str], str]:
    """The values that ``deployed``, a packaged template, has in place of the references of ``template``."""
    values = {}
    for each in template.references:
        if each.kind != INCLUDE:
            properties = deployed.get("Resources", {}).get(each.resource, {}).get("Properties", {})
            if isinstance(properties.get(each.key), str):
                values[_identity(each)] = properties[each.key]
    return values


def artifact(reference: Reference, bucket: str, upload: Upload) -> str:
    """Upload the file or folder of ``reference``. Returns its S3 URI. Raises ``NeedsBuild``."""
    match reference.kind:
        case kind if kind == LAYER:
            content = layer(reference)
        case kind if kind == INCLUDE:
            content = json.dumps(load(reference.path.read_text())).encode()
        case _ if reference.path.is_dir():
            content = zipped(
                (str(file.relative_to(reference.path)), file.read_bytes()) for file in below(reference.path)
            )
        case _:
            content = reference.path.read_bytes()
    return f"s3://{bucket}/{upload('', content)}"


def layer(reference: Reference) -> bytes:
    """The archive of the last build of a layer, with the current files that its Makefile copies."""
    built = BUILT / "Foundation" / reference.resource
    if not built.is_dir():
        raise NeedsBuild(f"{reference.resource} has not been built")
    sources = copied(reference.path)
    fresh = {str(Path(target) / file.relative_to(source)): file for source, target in sources for file in below(source)}
    names = {str(file.relative_to(built)): file for file in built.rglob("*") if file.is_file()}
    other_files = {
        name: file for name, file in names.items() if not any(Path(name).is_relative_to(to) for _, to in sources)
    }
    return zipped(
        ((name, file.read_bytes()) for name, file in sorted((other_files | fresh).items())), zipfile.ZIP_STORED
    )


def zipped(files: Iterable[tuple[str, bytes]], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip archive; equal content gives equal bytes."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compression, compresslevel=1) as archive:
        for name, data in files:
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data, compression)
    return content.getvalue()

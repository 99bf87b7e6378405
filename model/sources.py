"""The source files of the deployed shop, and the templates that they belong to.

A template has its own file and the files that it refers to: the folder of a function's code, the folder of a layer with the
files that its Makefile copies, included API documents, state machines and nested templates.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from watchfiles import Change, DefaultFilter

from model.settings import ROOT
from model.templates import PACKAGED, load

SHOP = ROOT / "templates" / "shop.yaml"
CONFIG = ROOT / "samconfig.toml"
LAYER = "AWS::Serverless::LayerVersion"
APPLICATION = "AWS::Serverless::Application"
INCLUDE = "AWS::Include"
LOOP = "Fn::ForEach::"
_COPIED = re.compile(r'^\s*cp -R (?P<source>\S+) "\$\(ARTIFACTS_DIR\)/(?P<target>[^"]*)"', re.M)
# Editors' backup and swap files, caches and hidden folders are not sources.
_is_source = DefaultFilter()


@dataclass(frozen=True)
class Reference:
    """A local path in a template: ``holder[key]``, in resource ``resource``, of type ``kind``."""

    resource: str
    kind: str
    holder: dict[str, Any]
    key: str
    path: Path

    def files(self) -> list[Path]:
        """All files that are packaged for it; of a nested template only its own."""
        folders = [self.path, *(source for source, _ in copied(self.path))] if self.kind == LAYER else [self.path]
        return [file for folder in folders for file in below(folder)]


@dataclass(frozen=True)
class Template:
    """A template as written; ``document`` has intrinsics in long form."""

    path: Path
    document: dict[str, Any]

    @cached_property
    def references(self) -> list[Reference]:
        return list(references(self.path, self.document))

    def files(self) -> set[Path]:
        """Its own file and the files that it refers to, without nested templates."""
        packaged = (each.files() for each in self.references if each.kind != APPLICATION)
        return {self.path, *(file for files in packaged for file in files)}

    def nested(self) -> dict[str, Path]:
        """The files of nested templates, by logical id."""
        return {each.resource: each.path for each in self.references if each.kind == APPLICATION}

    def functions(self) -> dict[str, dict[str, Any]]:
        """The properties of its functions by logical id, with those of ``Globals``."""
        common = self.document.get("Globals", {}).get("Function", {})
        return {
            name: merged(common, resource["Properties"])
            for name, resource in single_resources(self.document)
            if resource["Type"] == "AWS::Serverless::Function"
        }


def read(path: Path) -> Template:
    """The template at ``path``. Raises ``yaml.YAMLError``."""
    return _read(path, path.read_text())


@lru_cache(maxsize=256)
def _read(path: Path, text: str) -> Template:
    return Template(path, load(text))


def references(path: Path, document: dict[str, Any]) -> Iterator[Reference]:
    """The local paths in the template at ``path``."""
    for name, resource in single_resources(document):
        key, properties = PACKAGED.get(resource["Type"]), resource.get("Properties", {})
        if key and isinstance(properties.get(key), str) and "://" not in properties[key]:
            yield Reference(name, resource["Type"], properties, key, (path.parent / properties[key]).resolve())
    for name, resource in document["Resources"].items():
        for holder in _includes({name: resource}):
            yield Reference(name, INCLUDE, holder, "Location", (path.parent / holder["Location"]).resolve())


def single_resources(document: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(logical id, resource) of what the template itself declares: resources of loops and modules have no local paths."""
    for name, resource in document["Resources"].items():
        if not name.startswith((LOOP, "Fn::Transform")):
            yield name, resource


def constants(document: Mapping[str, Any]) -> dict[str, str]:
    """The values of a template's parameters with one allowed value: {"Service": "basket"}."""
    parameters = document.get("Parameters", {}).items()
    return {name: declared["Default"] for name, declared in parameters if len(declared.get("AllowedValues", ())) == 1}


def _includes(value: Any) -> Iterator[dict[str, Any]]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if isinstance(value, dict) and isinstance(value.get("Fn::Transform"), dict):
        transform = value["Fn::Transform"]
        if transform["Name"] == INCLUDE and "://" not in transform["Parameters"]["Location"]:
            yield transform["Parameters"]
    for each in inner:
        yield from _includes(each)


def merged(common: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """``own`` over ``common``, maps within them merged, as SAM does with ``Globals``."""
    both = {
        key: merged(common[key], own[key])
        for key in common.keys() & own.keys()
        if isinstance(common[key], Mapping) and isinstance(own[key], Mapping)
    }
    return {**common, **own, **both}


def copied(layer: Path) -> list[tuple[Path, str]]:
    """(source, folder or file within the layer) of each file that the Makefile of ``layer`` copies."""
    makefile = layer / "Makefile"
    matches = _COPIED.finditer(makefile.read_text()) if makefile.exists() else ()
    return [
        ((layer / match["source"]).resolve(), _target(layer, match["source"], match["target"])) for match in matches
    ]


def _target(layer: Path, source: str, target: str) -> str:
    """``cp -R a b/`` copies into b, ``cp -R a b`` to b."""
    return target + Path(source).name if target.endswith("/") else target


def below(path: Path) -> list[Path]:
    """``path`` if it is a file, else all source files below it, sorted."""
    if path.is_file():
        return [path]
    return sorted(file for file in path.rglob("*") if file.is_file() and _is_source(Change.modified, str(file)))


def templates(root: Path = SHOP) -> dict[Path, Template]:
    """The template ``root`` and all nested in it, by file."""
    by_file = {root: read(root)}
    for path in by_file[root].nested().values():
        if path not in by_file:
            by_file |= templates(path)
    return by_file


def digests(deployed: Mapping[Path, Template]) -> dict[str, str]:
    """The SHA-256 of all deployed files, by their path in the repository."""
    files = {CONFIG, *(file for template in deployed.values() for file in template.files())}
    return {str(file.relative_to(ROOT)): hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(files)}


def differences(before: Mapping[str, str], now: Mapping[str, str]) -> set[Path]:
    """The new, changed and deleted files."""
    return {ROOT / name for name in before.keys() | now.keys() if before.get(name) != now.get(name)}


def affected(deployed: Mapping[Path, Template], changed: set[Path]) -> list[Template]:
    """The templates that ``changed`` files belong to, deleted files included."""
    return [template for template in deployed.values() if any(_belongs(file, template) for file in changed)]


def _belongs(file: Path, template: Template) -> bool:
    return any(file.is_relative_to(path) for path in _paths(template))


def _paths(template: Template) -> Iterator[Path]:
    yield template.path
    for each in template.references:
        if each.kind != APPLICATION:
            yield each.path
            yield from (source for source, _ in copied(each.path) if each.kind == LAYER)

"""The only reader of templates: declarations as CloudFormation deploys them, with loops, SAM, includes and intrinsics resolved.

For checks without a cloud. A reference becomes a placeholder: the logical id, an ARN that ends in it, or the default or name
of a parameter. ``name_of`` returns the logical id or parameter of a placeholder.
"""

import copy
import json
import logging
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import yaml
from samtranslator.yaml_helper import intrinsics_multi_constructor

from apigw_executor import document
from model.settings import ACCOUNT_ID, REGION, ROOT, STAGE

logging.getLogger("samtranslator").setLevel(logging.ERROR)

_KNOWN = {
    "Stage": STAGE,
    "AWS::AccountId": ACCOUNT_ID,
    "AWS::NoValue": None,
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::StackName": "stack",
    "AWS::URLSuffix": "amazonaws.com",
}
# The property with a local path that ``sam package`` uploads, by resource type.
PACKAGED = {
    "AWS::Serverless::Application": "Location",
    "AWS::Serverless::Function": "CodeUri",
    "AWS::Serverless::LayerVersion": "ContentUri",
    "AWS::Serverless::StateMachine": "DefinitionUri",
}


class _Loader(yaml.CSafeLoader):
    """Reads short-form intrinsics as their long form. libyaml is ten times faster than the loader of SAM."""


_Loader.add_multi_constructor("!", intrinsics_multi_constructor)
_TEMPLATES = ROOT / "templates"
_PUBLISHED = re.compile(r"[Pp]ublished as ([a-z-]+/[a-z-]+)\.$")
_NAME = re.compile(r"\$\{(\w+)[}.]")
_REFERENCE = re.compile(r"\$\{([^!}]+)\}")


def load(text: str) -> Any:
    """The YAML in ``text`` with intrinsics in long form. Raises ``yaml.YAMLError``."""
    return yaml.load(text, _Loader)


def published_parameters(source: Mapping[str, Any]) -> dict[str, str]:
    """The parameters of a template whose value another service publishes: {"KmsKeyArn": "foundation/kms-key-arn"}.

    Their description ends with the address: "Published as foundation/kms-key-arn."
    """
    descriptions = {
        name: _PUBLISHED.search(declared.get("Description", ""))
        for name, declared in source.get("Parameters", {}).items()
    }
    return {name: match[1] for name, match in descriptions.items() if match}


def defaults(source: Mapping[str, Any]) -> dict[str, str]:
    """The default values of a template's parameters, as CloudFormation reports them."""
    declared = source.get("Parameters", {}).items()
    return {name: str(each["Default"]) for name, each in declared if "Default" in each}


def named(value: Any) -> Iterator[str]:
    """The names that ``Ref``, ``Fn::GetAtt`` and ``Fn::Sub`` in a part of a template refer to."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "Ref":
                yield inner
            elif key == "Fn::GetAtt":
                yield inner.split(".")[0] if isinstance(inner, str) else inner[0]
            elif key == "Fn::Sub":
                yield from _NAME.findall(inner if isinstance(inner, str) else inner[0])
            yield from named(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from named(inner)


@dataclass(frozen=True)
class Piece:
    """One template: ``source`` as written, with all resources (of loops and modules) and intrinsics in long form.

    ``folder`` is the one that paths in it are relative to.
    """

    service: str
    source: Mapping[str, Any]
    folder: Path = _TEMPLATES

    @cached_property
    def _template(self) -> dict[str, Any]:
        return self.expanded({})

    def included(self) -> dict[str, Any]:
        """A copy of the template with the content of its ``AWS::Include``s in place; SAM's resources are as written."""
        template: dict[str, Any] = _included(copy.deepcopy(self.source), self.folder)
        return template

    def expanded(self, parameters: Mapping[str, str]) -> dict[str, Any]:
        """The template as SAM expands it when its parameters have these values; intrinsics stay."""
        from samtranslator.translator.transform import transform  # only now: importing it takes a second

        packaged = self.included()
        for resource in packaged["Resources"].values():
            location = PACKAGED.get(resource["Type"])
            if location:
                resource["Properties"][location] = "s3://packaged/artifact"
        os.environ.setdefault("AWS_DEFAULT_REGION", REGION)  # SAM asks boto3 for the partition
        template: dict[str, Any] = transform(packaged, parameters, SimpleNamespace(load=dict))
        return template

    @cached_property
    def resources(self) -> dict[str, dict[str, Any]]:
        """Every resource by logical id, resolved: {"Type", "Properties", ...}.

        Sorted: SAM's order changes with the name of an API's deployment, which changes with the time.
        """
        resolved = {name: self.resolve(resource) for name, resource in sorted(self._template["Resources"].items())}
        return {name: {"Properties": {}, **resource} for name, resource in resolved.items()}

    def of_type(self, *types: str) -> dict[str, dict[str, Any]]:
        """The properties of the resources of these types, by logical id."""
        return {name: resource["Properties"] for name, resource in self.resources.items() if resource["Type"] in types}

    @cached_property
    def apis(self) -> dict[str, document.Document]:
        """Every REST API's document as the gateway reads it, by logical id."""
        return {name: document.read(api["Body"]) for name, api in self.of_type("AWS::ApiGateway::RestApi").items()}

    @cached_property
    def handlers(self) -> dict[str, Path]:
        """The file of each function's handler, by logical id."""
        files = {}
        for name, function in self.of_type("AWS::Lambda::Function").items():
            code = self.folder / self.source["Resources"][name]["Properties"]["CodeUri"]
            module, _, _ = function["Handler"].rpartition(".")
            files[name] = (code / module.replace(".", "/")).resolve().with_suffix(".py")
        return files

    def resolve(self, value: Any) -> Any:
        """``value`` with placeholders for its intrinsics; of an ``Fn::If`` the first branch."""
        match value:
            case {"Ref": str(name), **rest} if not rest:
                return self._placeholder(name)
            case {"Fn::GetAtt": attribute, **rest} if not rest:
                name, _, field = (attribute if isinstance(attribute, str) else ".".join(attribute)).partition(".")
                return self._arn(name) if field == "Arn" else name
            case {"Fn::Sub": str(text), **rest} if not rest:
                return self._substituted(text, {})
            case {"Fn::Sub": [str(text), dict(values)], **rest} if not rest:
                return self._substituted(text, values)
            case {"Fn::If": [_, chosen, _], **rest} if not rest:
                return self.resolve(chosen)
            case {"Fn::Join": [str(between), list(parts)], **rest} if not rest:
                return between.join(str(self.resolve(part)) for part in parts)
            case dict():
                resolved = {key: self.resolve(inner) for key, inner in value.items()}
                return {key: inner for key, inner in resolved.items() if inner is not None or value[key] is None}
            case list():
                return [inner for inner in map(self.resolve, value) if inner is not None]
            case _:
                return value

    def _substituted(self, text: str, values: Mapping[str, Any]) -> str:
        def replacement(match: re.Match[str]) -> str:
            name, _, field = match[1].partition(".")
            if name in values:
                return str(self.resolve(values[name]))
            return self._arn(name) if field == "Arn" else name if field else str(self._placeholder(name))

        return _REFERENCE.sub(replacement, text).replace("${!", "${")

    def _placeholder(self, name: str) -> Any:
        if name in _KNOWN:
            return _KNOWN[name]
        return self.source.get("Parameters", {}).get(name, {}).get("Default") or name

    def _arn(self, name: str) -> str:
        kind = self._template["Resources"].get(name, {}).get("Type", "AWS::Unknown::Thing") if name else ""
        return f"arn:aws:{kind.split('::')[1].lower()}:{REGION}:{ACCOUNT_ID}:{name}"


def name_of(placeholder: Any) -> str:
    """The logical id or parameter that a placeholder stands for."""
    return re.split(r"[:/]", placeholder)[-1] if isinstance(placeholder, str) else ""


@cache
def pieces() -> dict[str, Piece]:
    """Every template, by the name of its service."""
    return read_templates(_TEMPLATES)


def read_templates(folder: Path) -> dict[str, Piece]:
    """The templates in ``folder``, by the names of their services."""
    sources = (_with_all_resources(load(path.read_text()), folder) for path in sorted(folder.glob("*.yaml")))
    return {source["Metadata"]["SetPiece"]["Service"]: Piece(_service(source), source, folder) for source in sources}


def iter_resources(*types: str) -> Iterator[tuple[Piece, str, dict[str, Any]]]:
    """(piece, logical id, properties) of every resource of these types in all templates."""
    for piece in pieces().values():
        for name, properties in piece.of_type(*types).items():
            yield piece, name, properties


def definition(piece: Piece, name: str) -> dict[str, Any]:
    """The Amazon States Language of a state machine, from its file."""
    properties = piece.source["Resources"][name]["Properties"]
    return json.loads((piece.folder / properties["DefinitionUri"]).read_text())


def _service(source: Mapping[str, Any]) -> str:
    return source["Metadata"]["SetPiece"]["Service"]


def _with_all_resources(source: dict[str, Any], folder: Path) -> dict[str, Any]:
    """``source`` with the resources of the module that its section ``Resources`` includes, and those of its loops.

    CloudFormation processes includes before language extensions, and both before SAM.
    """
    resources = source["Resources"]
    if "Fn::Transform" in resources:
        module = _included({"Fn::Transform": resources["Fn::Transform"]}, folder)
        own = {name: resource for name, resource in resources.items() if name != "Fn::Transform"}
        source = {**source, "Resources": own | module}
    return _without_loops(source)


def _without_loops(source: dict[str, Any]) -> dict[str, Any]:
    """``source`` after the transform ``AWS::LanguageExtensions``, which comes before SAM's, if it declares it."""
    from ministack.services.cloudformation import language_extensions  # only now: importing it takes a second

    if language_extensions.TRANSFORM not in source.get("Transform", ()):
        return source
    expanded: dict[str, Any] = language_extensions.apply(source, {})
    transforms = [name for name in source["Transform"] if name != language_extensions.TRANSFORM]
    return {**_with_literals(expanded), "Transform": transforms}


def _with_literals(value: Any) -> Any:
    """``value`` with the literal variables of each ``Fn::Sub`` in its text, as if no loop had written them."""
    match value:
        case {"Fn::Sub": [str(text), dict(variables)], **rest} if not rest:
            literals = {name: str(item) for name, item in variables.items() if isinstance(item, str | int)}
            remaining = {name: _with_literals(item) for name, item in variables.items() if name not in literals}
            text = _REFERENCE.sub(lambda match: literals.get(match[1], match[0]), text)
            return {"Fn::Sub": [text, remaining]} if remaining else {"Fn::Sub": text}
        case dict():
            return {key: _with_literals(inner) for key, inner in value.items()}
        case list():
            return [_with_literals(inner) for inner in value]
        case _:
            return value


def _included(value: Any, folder: Path) -> Any:
    """``value`` with every ``AWS::Include`` of a local file replaced by the content of the file."""
    if isinstance(value, list):
        return [_included(inner, folder) for inner in value]
    if not isinstance(value, dict):
        return value
    inner = {key: _included(item, folder) for key, item in value.items() if key != "Fn::Transform"}
    if "Fn::Transform" in value:
        location = value["Fn::Transform"]["Parameters"]["Location"]
        inner |= load((folder / location).read_text())
    return inner

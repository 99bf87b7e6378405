"""The account of a stage, and the resources that a deployment creates in it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import boto3
import jmespath

from model.settings import ACCOUNT_ID
from model.settings import STAGE as LOCAL
from model.templates import Piece, pieces
from tools.stages import WHOLE_SHOP, stage_parameters, stage_settings

PARTNERS = "partners"


@dataclass(frozen=True)
class Lister:
    """The operation that lists resources of one type. ``path`` is a JMESPath to their names in its response."""

    service: str
    operation: str
    path: str
    arguments: tuple[tuple[str, Any], ...] = ()


class Account:
    """The account of ``stage``, read with the credentials of ``session``, and what ``piece`` creates in it."""

    def __init__(self, session: boto3.Session, stage: str, piece: str = WHOLE_SHOP) -> None:
        self.session, self.stage, self.piece = session, stage, piece
        self.parameters = stage_parameters(stage)

    @property
    def id(self) -> str:
        return self.parameters["StageAccountId"]

    @property
    def deployment(self) -> dict[str, Any]:
        """The settings of SAM CLI for the stage: region, bucket, role."""
        return stage_settings(self.stage)

    @cached_property
    def resources(self) -> list[tuple[str, dict[str, Any]]]:
        """(type, properties) of each resource that the deployment creates."""
        return declared_resources(self.stage, self.piece)

    def of_type(self, resource_type: str) -> list[dict[str, Any]]:
        return [properties for kind, properties in self.resources if kind == resource_type]

    def client(self, service: str, region: str | None = None) -> Any:
        return self.session.client(service, region_name=region)

    def existing(self, lister: Lister) -> list[str]:
        """The names of existing resources: of an ARN or URL its last part, of a path the whole."""
        client = self.client(lister.service)
        arguments = dict(lister.arguments)
        if client.can_paginate(lister.operation):
            names = client.get_paginator(lister.operation).paginate(**arguments).search(lister.path)
        else:
            names = jmespath.search(lister.path, getattr(client, lister.operation)(**arguments))
        return [re.split(r"[:/]", name)[-1] if re.match("arn:|https?:", name) else name for name in names or () if name]


@cache
def declared_resources(stage: str, piece: str) -> list[tuple[str, dict[str, Any]]]:
    """(type, properties) of each resource that ``piece`` has in ``stage``, with the names that it has there."""
    account = stage_parameters(stage)["StageAccountId"]
    return [
        (resource["Type"], for_stage(resource["Properties"], stage, account))
        for template in _templates(stage, piece)
        for resource in template.resources.values()
    ]


def _templates(stage: str, piece: str) -> Iterator[Piece]:
    if piece != WHOLE_SHOP:
        yield pieces()[piece]
        return
    for resource in pieces()[WHOLE_SHOP].source["Resources"].values():
        properties = resource["Properties"]
        name = properties["Location"].removesuffix(".yaml")
        if (name, stage) != (PARTNERS, "prod"):
            yield _with_defaults(pieces()[name], properties["Parameters"])


def for_stage(value: Any, stage: str, account: str) -> Any:
    """``value`` with the names of ``stage`` and ``account``: ``model.templates`` resolves them for the local stage."""
    match value:
        case str():
            return re.sub(rf"\b{LOCAL}\b", stage, value).replace(ACCOUNT_ID, account)
        case dict():
            return {key: for_stage(inner, stage, account) for key, inner in value.items()}
        case list():
            return [for_stage(inner, stage, account) for inner in value]
        case _:
            return value


def _with_defaults(template: Piece, arguments: dict[str, Any]) -> Piece:
    """A nested template whose parameters have as defaults the literals that its parent passes."""
    parameters = {
        name: parameter | ({"Default": arguments[name]} if isinstance(arguments.get(name), str) else {})
        for name, parameter in template.source["Parameters"].items()
    }
    return Piece(template.service, {**template.source, "Parameters": parameters})

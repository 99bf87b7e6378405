"""Parameters of the templates and the references to them."""

import re
from collections.abc import Iterator
from typing import Any

from model.sources import APPLICATION
from model.templates import pieces

SHOP = pieces()["shop"].source


NESTED = {name: resource for name, resource in SHOP["Resources"].items() if resource["Type"] == APPLICATION}


def service(resource: str) -> str:
    return str(NESTED[resource]["Properties"]["Location"]).removesuffix(".yaml")


def references(value: Any) -> Iterator[str]:
    """The names that ``Ref`` and ``Fn::Sub`` refer to."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "Ref":
                yield inner
            elif key == "Fn::Sub":
                yield from re.findall(r"\$\{(\w+)\}", inner if isinstance(inner, str) else inner[0])
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)

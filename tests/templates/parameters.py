"""The nested stacks of the shop, and their templates."""

from model.sources import APPLICATION
from model.templates import pieces

SHOP = pieces()["shop"].source


NESTED = {name: resource for name, resource in SHOP["Resources"].items() if resource["Type"] == APPLICATION}


def service(resource: str) -> str:
    return str(NESTED[resource]["Properties"]["Location"]).removesuffix(".yaml")

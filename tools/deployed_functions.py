"""The functions of a stage by their short names: ``basket-add-item`` for ``setpieces-local-basket-add-item``."""

from tools.client import Shop
from tools.failures import CommandFailed, did_you_mean


def prefix(shop: Shop) -> str:
    return f"setpieces-{shop.stage}-"


def names(shop: Shop) -> list[str]:
    """The names of all deployed functions, without their prefix."""
    pages = shop.aws("lambda").get_paginator("list_functions").paginate()
    functions = (function["FunctionName"] for page in pages for function in page["Functions"])
    return sorted(name.removeprefix(prefix(shop)) for name in functions if name.startswith(prefix(shop)))


def physical_name(shop: Shop, name: str) -> str:
    """The deployed name of a function, given with or without its prefix. Raises ``CommandFailed`` if it does not exist."""
    short = name.removeprefix(prefix(shop))
    deployed = names(shop)
    if not deployed:
        raise CommandFailed(f"No function is deployed in stage {shop.stage}. Deploy the shop first: make start")
    if short not in deployed:
        raise CommandFailed(f"Unknown function {short}.{did_you_mean(short, deployed)} List all with: make logs")
    return prefix(shop) + short

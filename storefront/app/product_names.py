"""Names of products for pages that show many at once, at little cost to the catalog."""

import asyncio
import time
from collections.abc import Iterable
from urllib.parse import quote

from app.apis import Apis, Refused

# A name that has changed is shown so much later.
KEEP_SECONDS = 60
MAX_KEPT = 10_000
AT_ONCE = 8
# For all names of a page together: it is worth showing without them.
TOTAL_SECONDS = 2.0


class ProductNames:
    """Kept by this process, so that baskets that are looked at again and again ask the catalog once a minute and product."""

    def __init__(self, apis: Apis) -> None:
        self._apis = apis
        self._kept: dict[str, tuple[str, float]] = {}

    async def of(self, skus: Iterable[str]) -> dict[str, str]:
        """{sku: name}. If a name cannot be had in time, it is the last one known, or else the SKU."""
        now = time.monotonic()
        kept = {sku: self._kept.get(sku, (sku, now)) for sku in skus}
        names = {sku: name for sku, (name, _) in kept.items()}
        slots = asyncio.Semaphore(AT_ONCE)
        try:
            async with asyncio.timeout(TOTAL_SECONDS), asyncio.TaskGroup() as tasks:
                for sku, (_, until) in kept.items():
                    if until <= now:
                        tasks.create_task(self._ask(sku, slots, names))
        except TimeoutError:
            pass
        return names

    async def _ask(self, sku: str, slots: asyncio.Semaphore, names: dict[str, str]) -> None:
        async with slots:
            try:
                product = (await self._apis.call("catalog", "GET", f"products/{quote(sku, safe='')}")).body
            except Refused:
                return
        names[sku] = str(product["name"])
        if len(self._kept) >= MAX_KEPT:
            self._kept.clear()
        self._kept[sku] = (names[sku], time.monotonic() + KEEP_SECONDS)

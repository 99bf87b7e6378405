"""Names of products for pages that show many, with a cache that limits the calls to the catalog."""

import asyncio
import time
from collections.abc import Iterable
from urllib.parse import quote

from app.apis import ApiError, Apis

# A changed name appears on pages after this time at the latest.
CACHE_SECONDS = 60
MAX_CACHED = 10_000
MAX_CONCURRENT_CALLS = 8
# Deadline for all names of a page together; pages are useful without them.
TOTAL_SECONDS = 2.0


class ProductNames:
    """A cache of this process: the catalog is called at most once per minute for each product."""

    def __init__(self, apis: Apis) -> None:
        self._apis = apis
        self._cache: dict[str, tuple[str, float]] = {}

    async def of(self, skus: Iterable[str]) -> dict[str, str]:
        """Return {sku: name}. If the catalog does not respond in time, the name is the last cached one, or else the SKU."""
        now = time.monotonic()
        cached = {sku: self._cache.get(sku, (sku, now)) for sku in skus}
        names = {sku: name for sku, (name, _) in cached.items()}
        semaphore = asyncio.Semaphore(MAX_CONCURRENT_CALLS)
        try:
            async with asyncio.timeout(TOTAL_SECONDS), asyncio.TaskGroup() as tasks:
                for sku, (_, expires_at) in cached.items():
                    if expires_at <= now:
                        tasks.create_task(self._fetch(sku, semaphore, names))
        except TimeoutError:
            pass
        return names

    async def _fetch(self, sku: str, semaphore: asyncio.Semaphore, names: dict[str, str]) -> None:
        async with semaphore:
            try:
                product = (await self._apis.call("catalog", "GET", f"products/{quote(sku, safe='')}")).body
            except ApiError:
                return
        names[sku] = str(product["name"])
        if len(self._cache) >= MAX_CACHED:
            self._cache.clear()
        self._cache[sku] = (names[sku], time.monotonic() + CACHE_SECONDS)

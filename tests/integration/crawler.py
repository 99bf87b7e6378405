"""A crawler that follows the released sitemaps."""

from urllib.parse import urlsplit

import httpx

from sitemaps.domain.checks import find_problems, parse_locations
from tools.client import FLOW_SECONDS, Shop

# A run may wait for another, and the shop holds whatever all tests have put there.
PATIENCE = 1.5 * FLOW_SECONDS


def get(shop: Shop, url: str, status: int = 200) -> httpx.Response:
    """The answer of the edge for a URL of the site."""
    response = shop.call("GET", urlsplit(url).path)
    assert response.status_code == status, f"{url}: {response.status_code} {response.text[:200]}"
    return response


def crawl(shop: Shop, origin: str) -> list[str]:
    """All URLs, as a crawler finds them from robots.txt on; every file is valid."""
    [line] = [line for line in get(shop, "/robots.txt").text.splitlines() if line.startswith("Sitemap:")]
    files = [get(shop, line.removeprefix("Sitemap: "))]
    files += [get(shop, url) for url in parse_locations(files[0].content)]
    for file in files:
        assert file.headers["content-type"] == "application/xml"
        assert find_problems(file.content, origin) == []
    return [url for file in files[1:] for url in parse_locations(file.content)]

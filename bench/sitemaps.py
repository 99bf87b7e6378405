"""Sitemaps: URLs a second from pages to checked files, against joining and hashing the same lines."""

import hashlib
import time
from typing import Any

from bench.report import report
from sitemaps.domain.checks import find_problems
from sitemaps.domain.files import MAX_URLS, Entry, build_files

ORIGIN, DAY = "https://www.shop.example", "2026-01-02"
SIZES = (1_000, 50_000, 120_000)


def run() -> None:
    report("sitemaps", "URLs a second; bare: the lines joined and hashed", [_rates(urls) for urls in SIZES])


def _rates(urls: int) -> dict[str, Any]:
    paths = [f"/products/SP-{number:07}" for number in range(urls)]
    began = time.perf_counter()
    files = list(build_files("pages-1", ORIGIN, (Entry(path, DAY) for path in paths)))
    written = time.perf_counter()
    assert not [problem for file in files for problem in find_problems(file.content, ORIGIN)]
    checked = time.perf_counter()
    for start in range(0, urls, MAX_URLS):
        lines = (f"<url><loc>{ORIGIN}{path}</loc><lastmod>{DAY}</lastmod></url>\n" for path in paths[start:][:MAX_URLS])
        hashlib.sha256("".join(lines).encode()).hexdigest()
    bare = time.perf_counter() - checked
    return {
        "URLs": urls,
        "files": len(files),
        "written/s": round(urls / (written - began)),
        "checked/s": round(urls / (checked - written)),
        "time against bare": (written - began) / bare,
    }

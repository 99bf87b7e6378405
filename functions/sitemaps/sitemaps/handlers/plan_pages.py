"""Plan: list a run's next chunk, up to 50,000 pages in the order of their paths, each with the day of its last change."""

import time
from itertools import islice
from typing import Any

from setpieces import observability
from setpieces.observability import observed
from setpieces.settings import setting
from sitemaps.clients.commerce import list_products
from sitemaps.domain.files import MAX_URLS
from sitemaps.domain.pages import date_pages, list_pages
from sitemaps.domain.runs import RUNNING
from sitemaps.repository import objects, runs
from sitemaps.workflow.runs import acquire_lock


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """{run_id, execution, started_at, dry_run, force, chunk, token, after} -> {chunk, token, after, more}.

    A chunk ends where the protocol ends a file, so that the same pages are the same files. Raises ``Busy``.
    """
    run_id, number = event["run_id"], event["chunk"]
    observability.set_correlation_id(run_id)
    if number == 1:
        acquire_lock(event["execution"], int(time.time()))
        runs.update(run_id, status=RUNNING, **{name: event[name] for name in ("started_at", "dry_run", "force")})
    pages = list_pages(setting("PAGES").split(","), list_products, event["token"], event["after"])
    listed = list(islice(pages, MAX_URLS + 1))
    chunk, rest = listed[:MAX_URLS], listed[MAX_URLS:]
    manifest = objects.load_released_manifest()
    released = objects.load_pages(manifest["run_id"], range(1, manifest["chunks"] + 1))
    dated = date_pages(((page.path, page.fingerprint) for page in chunk), released, event["started_at"][:10])
    objects.save_pages(run_id, number, dated)
    return {
        "chunk": number + 1 if rest else number,
        "token": rest[0].token if rest else "",
        "after": chunk[-1].path if rest else "",
        "more": bool(rest),
    }

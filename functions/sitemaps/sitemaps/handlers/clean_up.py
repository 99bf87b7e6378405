"""Clean up: what no release and no crawler needs any more."""

from datetime import UTC, datetime, timedelta
from typing import Any

from setpieces import observability
from setpieces.observability import logger, observed
from sitemaps.domain.check import locations
from sitemaps.repository import files as store

# Somebody may want to see what a run has made.
KEPT = timedelta(days=7)


@observed
def handler(event: dict[str, Any], context: Any) -> None:
    """{run_id} -> nothing. Again is harmless."""
    observability.begin(event["run_id"])
    manifest, before = store.released(), datetime.now(UTC) - KEPT
    # Crawlers come back to the files of the index that they read last, however long ago a file was made.
    runs = [store.work(run, "") for run in (manifest["run_id"], manifest["before"]) if run]
    indexes = [store.read(key) for key in (store.RELEASE + store.INDEX, *(run + store.INDEX for run in runs))]
    named = {url.rpartition("/")[2] for index in indexes if index for url in locations(index)}
    gone = [
        each["Key"]
        for each in (*store.listed(store.RELEASE + store.FILES), *store.listed("work/"))
        if each["LastModified"] < before
        and not each["Key"].startswith(tuple(runs))
        and each["Key"].removeprefix(store.RELEASE + store.FILES) not in named
    ]
    store.remove(gone)
    logger.info("removed", extra={"objects": len(gone)})

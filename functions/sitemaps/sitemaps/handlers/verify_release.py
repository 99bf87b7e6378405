"""Verify: what crawlers get now is this run's, whole."""

import hashlib
from typing import Any

from setpieces import observability
from setpieces.observability import count, observed
from sitemaps.repository import files as store


class NotReleased(Exception):
    """The release is not what this run has made."""


@observed
def handler(event: dict[str, Any], context: Any) -> None:
    """{run_id, chunks} -> nothing. Raises ``NotReleased``."""
    run_id = event["run_id"]
    observability.begin(run_id)
    if store.read(store.RELEASE + store.INDEX) != store.read(store.work(run_id, store.INDEX)):
        raise NotReleased(store.INDEX)
    for number in range(1, event["chunks"] + 1):
        for file in store.lines(store.files_key(run_id, number)):
            content = store.read(store.RELEASE + store.FILES + file["name"]) or b""
            if hashlib.sha256(content).hexdigest() != file["sha256"]:
                raise NotReleased(file["name"])
    count("SitemapsReleased")

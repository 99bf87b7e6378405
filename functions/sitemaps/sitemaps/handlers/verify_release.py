"""Verify: compare the released files with those of the run."""

import hashlib
from typing import Any

from setpieces import observability
from setpieces.observability import count, observed
from sitemaps.domain.files import FOLDER, INDEX
from sitemaps.domain.runs import NotReleased
from sitemaps.repository import objects
from sitemaps.repository.objects import RELEASE


@observed
def handler(event: dict[str, Any], context: Any) -> None:
    """{run_id, chunks} -> nothing. Raises ``NotReleased`` with the name of the first file that differs."""
    run_id = event["run_id"]
    observability.set_correlation_id(run_id)
    if objects.read(RELEASE + INDEX) != objects.read(objects.work_key(run_id, INDEX)):
        raise NotReleased(INDEX)
    for file in objects.list_files(run_id, event["chunks"]):
        content = objects.read(RELEASE + FOLDER + file["name"]) or b""
        if hashlib.sha256(content).hexdigest() != file["sha256"]:
            raise NotReleased(file["name"])
    count("SitemapsReleased")

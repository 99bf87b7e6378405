"""Clean up: delete what neither of the last two releases needs, a week after it was written."""

from datetime import UTC, datetime, timedelta
from typing import Any

from setpieces import observability
from setpieces.observability import logger, observed
from sitemaps.domain.checks import parse_locations
from sitemaps.domain.files import FOLDER, INDEX
from sitemaps.repository import objects
from sitemaps.repository.objects import RELEASE, WORK

# Time to look at what a run has written.
KEPT = timedelta(days=7)


@observed
def handler(event: dict[str, Any], context: Any) -> None:
    """{run_id} -> nothing. Again is harmless."""
    observability.set_correlation_id(event["run_id"])
    manifest, oldest = objects.load_released_manifest(), datetime.now(UTC) - KEPT
    # Crawlers come back to the files of the index that they read last, however long ago a file was written.
    needed_runs = tuple(objects.work_key(run, "") for run in (manifest["run_id"], manifest["before"]) if run)
    indexes = [objects.read(folder + INDEX) for folder in (RELEASE, *needed_runs)]
    needed_files = {url.rpartition("/")[2] for index in indexes if index for url in parse_locations(index)}
    obsolete = [
        entry["Key"]
        for entry in (*objects.list_objects(RELEASE + FOLDER), *objects.list_objects(WORK))
        if entry["LastModified"] < oldest
        and not entry["Key"].startswith(needed_runs)
        and entry["Key"].removeprefix(RELEASE + FOLDER) not in needed_files
    ]
    objects.delete(obsolete)
    logger.info("obsolete objects deleted", extra={"objects": len(obsolete)})

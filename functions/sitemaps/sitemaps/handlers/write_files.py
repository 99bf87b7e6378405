"""Generate: write the sitemaps of one chunk of pages."""

from typing import Any

from setpieces import observability
from setpieces.observability import observed
from setpieces.settings import setting
from sitemaps.domain.files import Entry, build_files
from sitemaps.repository import objects


@observed
def handler(event: dict[str, Any], context: Any) -> None:
    """{run_id, chunk} -> nothing; the files are in the bucket. Again is harmless. Raises ``BadEntry``."""
    run_id, chunk = event["run_id"], event["chunk"]
    observability.set_correlation_id(run_id)
    entries = (Entry(page.path, page.changed) for page in objects.load_pages(run_id, [chunk]))
    objects.save_files(run_id, chunk, build_files(f"pages-{chunk}", setting("ORIGIN"), entries))

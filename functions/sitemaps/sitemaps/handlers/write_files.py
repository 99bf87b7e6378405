"""Generate: the sitemaps of one chunk of pages."""

from typing import Any

from setpieces import observability
from setpieces.observability import observed
from setpieces.settings import setting
from sitemaps.domain.files import Entry, files
from sitemaps.repository import files as store


@observed
def handler(event: dict[str, Any], context: Any) -> None:
    """{run_id, chunk} -> nothing; what was made stands beside it in the store. Raises ``BadEntry``."""
    run_id, number = event["run_id"], event["chunk"]
    observability.begin(run_id)
    pages = (Entry(line["path"], line["changed"]) for line in store.lines(store.pages_key(run_id, number)))
    made = []
    for file in files(f"pages-{number}", setting("ORIGIN"), pages):
        store.write(store.work(run_id, store.FILES + file.name), file.content, store.XML, store.FOR_EVER)
        made.append({"name": file.name, "urls": file.urls, "changed": file.changed, "sha256": file.sha256})
    store.write_lines(store.files_key(run_id, number), made)

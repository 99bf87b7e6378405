"""Plan: a run's next chunk, up to 50,000 pages in the order of their paths, each with the day of its last change."""

from dataclasses import asdict
from itertools import islice
from typing import Any

from setpieces import observability
from setpieces.observability import observed
from setpieces.settings import setting
from setpieces.stored import known
from sitemaps.domain.changes import Page, dated
from sitemaps.domain.files import MAX_URLS
from sitemaps.domain.pages import pages
from sitemaps.repository import files as store
from sitemaps.repository.runs import RUNNING, note, take


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """{run_id, execution, started_at, dry_run, force, chunk, token, after} -> {chunk, token, after, more}.

    A chunk ends where the protocol ends a file, so that the same pages are the same files. Raises ``Busy``.
    """
    run_id, number = event["run_id"], event["chunk"]
    observability.begin(run_id)
    if number == 1:
        take(event["execution"])
        note(run_id, status=RUNNING, **{name: event[name] for name in ("started_at", "dry_run", "force")})
    found = list(islice(pages(setting("PAGES").split(","), event["token"], event["after"]), MAX_URLS + 1))
    chunk, rest = found[:MAX_URLS], found[MAX_URLS:]
    before = _known()
    entries = dated(((page.path, page.fingerprint) for page in chunk), before, event["started_at"][:10])
    store.write_lines(store.pages_key(run_id, number), (asdict(entry) for entry in entries))
    return {
        "chunk": number + 1 if rest else number,
        "token": rest[0].token if rest else "",
        "after": chunk[-1].path if rest else "",
        "more": bool(rest),
    }


def _known() -> Any:
    """The pages of the release, in the order of their paths."""
    before = store.released()
    for number in range(1, before["chunks"] + 1):
        yield from (known(Page, line) for line in store.lines(store.pages_key(before["run_id"], number)))
